import { randomUUID } from 'node:crypto';
import type Dockerode from 'dockerode';
import { answered, removeContainer } from './engine.ts';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const limitMs = 120_000;

/**
 * Give what a container left in a directory to the runner, who could neither read nor remove it else: `chown` of the same image, as
 * root in a container without network.
 * Errors: those of the engine; an image without chown.
 */
export const takeOver = async (docker: Dockerode, image: string, root: string, { uid, gid }: Owner): Promise<void> => {
  const container = await answered(
    docker.createContainer({
      name: `studioml-owner-${randomUUID()}`,
      Image: image,
      Entrypoint: ['chown'],
      Cmd: ['-hR', `${String(uid)}:${String(gid)}`, root],
      User: '0:0',
      HostConfig: { Mounts: [{ Type: 'bind', Source: root, Target: root }], NetworkMode: 'none' },
    }),
  );
  try {
    await answered(container.start());
    const { StatusCode: code } = await answered(container.wait() as Promise<{ StatusCode: number }>, limitMs);
    if (code !== 0) throw new Error(`chown in the image ${image} ended with ${String(code)}`);
  } finally {
    await removeContainer(docker, container.id, 0);
  }
};
