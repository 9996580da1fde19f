import { spawn } from 'node:child_process';
import type { Run } from '../../lib/model/attempt.ts';
import type { Cause, Exit } from '../../lib/model/outcome.ts';

/** A program as an experiment's run, started as it is: no environment, no limits. `stop` sends SIGKILL. */
export const spawnRun = (file: string, args: readonly string[] = []): Run => {
  const startedAtMs = Date.now();
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stoppedBy: Cause | undefined;
  const exit = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      resolve({ code, signal, startedAtMs, endedAtMs: Date.now(), ...(stoppedBy && { stoppedBy }) });
    });
  });
  return {
    pid: child.pid,
    startedAtMs,
    stdout: child.stdout,
    stderr: child.stderr,
    exit,
    stop: cause => {
      stoppedBy ??= cause;
      child.kill('SIGKILL');
    },
  };
};
