import { randomUUID } from 'node:crypto';
import type Dockerode from 'dockerode';
import { removeContainer } from './engine.ts';

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
  const container = await docker.createContainer({
    name: `studioml-owner-${randomUUID()}`,
    Image: image,
    Entrypoint: ['chown'],
    Cmd: ['-hR', `${String(uid)}:${String(gid)}`, root],
    User: '0:0',
    HostConfig: { Mounts: [{ Type: 'bind', Source: root, Target: root }], NetworkMode: 'none' },
  });
  try {
    await container.start();
    const late = setTimeout(() => void container.kill().catch(() => undefined), limitMs);
    const { StatusCode: code } = (await container.wait()) as { StatusCode: number };
    clearTimeout(late);
    if (code !== 0) throw new Error(`chown in the image ${image} ended with ${String(code)}`);
  } finally {
    await removeContainer(docker, container.id, 0);
  }
};
