import split from 'split2';
import { spawn } from '../child-process.ts';
import { smiEnv } from './nvidia-smi.ts';

/** Tells memory in use by card, about once a second, from now until what comes back is called. */
export type FollowMemory = (tell: (uuid: string, usedBytes: number) => void) => () => void;

const everyMs = 1000;
const mib = 2 ** 20;

/**
 * One nvidia-smi that goes on for as long as cards are held: it asks the driver for two numbers a card, which costs a small part of
 * what its whole report does. It knows nothing of MIG instances. Where it fails nothing is told, and the report has to do; where the
 * runner is killed it ends with its next line.
 * @param executable path of nvidia-smi; undefined where there is none
 * Source: nvidia-smi(1), --query-gpu, --loop-ms.
 */
export const createFollowMemory =
  (executable: string | undefined): FollowMemory =>
  tell => {
    if (executable === undefined) return () => undefined;
    const child = spawn(
      executable,
      ['--query-gpu=uuid,memory.used', '--format=csv,noheader,nounits', `--loop-ms=${String(everyMs)}`],
      { env: smiEnv(), stdio: ['ignore', 'pipe', 'ignore'] },
    );
    child.on('error', () => undefined);
    child.unref();
    child.stdout
      .pipe(split())
      .on('data', (line: string) => {
        const [, uuid, used] = /^(\S+), *(\d+)$/.exec(line.trim()) ?? [];
        if (uuid !== undefined) tell(uuid, Number(used) * mib);
      })
      .on('error', () => undefined);
    return () => {
      child.kill('SIGKILL');
    };
  };
