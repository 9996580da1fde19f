import type { ContainerCreateOptions } from 'dockerode';
import type { Command } from '../../model/attempt.ts';
import type { ResourceAmounts } from '../../model/resources.ts';

/** What to start in an image: without `file`, the image's own entry point with these arguments. */
export type ContainerCommand = Omit<Command, 'file'> & { readonly file: string | undefined };

export interface ContainerParts {
  readonly name: string;
  readonly image: string;
  readonly command: ContainerCommand;
  /** The attempt's directory: at the same path inside. */
  readonly root: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly amounts: ResourceAmounts;
  readonly gpuUuids: readonly string[];
  /** `bridge`, `none`, `host`, or a network's name. */
  readonly network: string;
  /** `uid[:gid]` or a name; undefined: as the image says. */
  readonly user: string | undefined;
  readonly pids: number;
  /** Whether the engine brings a first process that hands signals on. */
  readonly hasInit: boolean;
}

const leastShmBytes = 64 * 2 ** 20;
const leastMemoryBytes = 6 * 2 ** 20;

/**
 * What the engine is asked to create: the grant as cores, memory (a ceiling, without swap), cards by their UUIDs, half of the memory as
 * /dev/shm. The engine keeps no copy of the output.
 * Source: Docker Engine API, ContainerCreate; spec "Container".
 */
export const containerBody = (parts: ContainerParts): ContainerCreateOptions => {
  const { command, amounts, gpuUuids, root, user } = parts;
  const memory = amounts.memoryBytes > 0 ? Math.max(leastMemoryBytes, Math.floor(amounts.memoryBytes)) : 0;
  const argv =
    command.file === undefined
      ? command.args.length > 0
        ? { Cmd: [...command.args] }
        : {}
      : { Entrypoint: [command.file], Cmd: [...command.args] };
  return {
    name: parts.name,
    Image: parts.image,
    ...argv,
    ...(user === undefined ? {} : { User: user }),
    WorkingDir: command.cwd,
    Env: Object.entries(command.env).map(([name, value]) => `${name}=${value}`),
    Labels: { ...parts.labels },
    AttachStdin: false,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
    StopSignal: 'SIGTERM',
    HostConfig: {
      Mounts: [{ Type: 'bind', Source: root, Target: root }],
      NetworkMode: parts.network,
      NanoCpus: Math.round(amounts.cores * 1e9),
      ...(memory > 0 ? { Memory: memory, MemorySwap: memory } : {}),
      ShmSize: Math.max(leastShmBytes, Math.floor(memory / 2)),
      PidsLimit: parts.pids,
      Init: parts.hasInit,
      SecurityOpt: ['no-new-privileges'],
      LogConfig: { Type: 'none', Config: {} },
      ...(gpuUuids.length > 0 ? { DeviceRequests: [{ DeviceIDs: [...gpuUuids], Capabilities: [['gpu']] }] } : {}),
    },
  };
};
