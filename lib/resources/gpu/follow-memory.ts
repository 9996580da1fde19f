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
 * runner is killed it ends with its next line. A driver that hangs keeps it from ending: the next one is started when it has.
 * @param executable path of nvidia-smi; undefined where there is none
 * Source: nvidia-smi(1), --query-gpu, --loop-ms.
 */
export const createFollowMemory = (executable: string | undefined): FollowMemory => {
  let gone: Promise<unknown> = Promise.resolve();

  const start = (path: string, tell: (uuid: string, usedBytes: number) => void): (() => void) => {
    const child = spawn(
      path,
      ['--query-gpu=uuid,memory.used', '--format=csv,noheader,nounits', `--loop-ms=${String(everyMs)}`],
      { env: smiEnv(), stdio: ['ignore', 'pipe', 'ignore'] },
    );
    gone = new Promise(resolve => child.on('exit', resolve).on('error', resolve));
    // It has no streams where the machine has no descriptor left.
    if (child.pid === undefined) return () => undefined;
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
      child.stdout.destroy();
    };
  };
  return tell => {
    if (executable === undefined) return () => undefined;
    let isWanted = true;
    let end: (() => void) | undefined;
    void gone
      .then(() => {
        if (isWanted) end = start(executable, tell);
      })
      .catch(() => undefined);
    return () => {
      isWanted = false;
      end?.();
    };
  };
};
