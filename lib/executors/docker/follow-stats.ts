import type { Readable } from 'node:stream';
import type Dockerode from 'dockerode';
import split2 from 'split2';
import type { Usage } from '../../model/outcome.ts';

type Seen = Pick<Usage, 'cpuSeconds' | 'memoryBytes'>;

const nanoseconds = 1e9;

/** One sample of the engine's, which sends one a second. Source: Docker Engine API, ContainerStats. */
export const parseStats = (text: string): Seen => {
  let told: Partial<Dockerode.ContainerStats>;
  try {
    told = JSON.parse(text) as Partial<Dockerode.ContainerStats>;
  } catch {
    return {};
  }
  const cpu = told.cpu_stats?.cpu_usage?.total_usage;
  // The kernel's own mark, where control groups are of version 1.
  const memory = Math.max(told.memory_stats?.max_usage ?? 0, told.memory_stats?.usage ?? 0);
  return {
    ...(typeof cpu === 'number' && cpu > 0 ? { cpuSeconds: cpu / nanoseconds } : {}),
    ...(memory > 0 ? { memoryBytes: memory } : {}),
  };
};

/** Follow what a container uses, second by second, until `end`; an engine that tells nothing is no error. */
export const followStats = (container: Dockerode.Container): { end(): Seen } => {
  let most: Seen = {};
  let source: Readable | undefined;
  let isOver = false;
  const take = (text: string) => {
    const { cpuSeconds, memoryBytes } = parseStats(text);
    most = {
      ...most,
      ...(cpuSeconds !== undefined && { cpuSeconds: Math.max(cpuSeconds, most.cpuSeconds ?? 0) }),
      ...(memoryBytes !== undefined && { memoryBytes: Math.max(memoryBytes, most.memoryBytes ?? 0) }),
    };
  };
  void container.stats({ stream: true }).then(
    stream => {
      source = stream as unknown as Readable;
      source.on('error', () => undefined);
      if (isOver) source.destroy();
      else
        source
          .pipe(split2())
          .on('data', take)
          .on('error', () => undefined);
    },
    () => undefined,
  );
  return {
    end: () => {
      isOver = true;
      source?.destroy();
      return most;
    },
  };
};
