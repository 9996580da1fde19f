import { PassThrough } from 'node:stream';
import type { Executor } from '../../lib/executors/executor.ts';
import type { ReadyAttempt, Run } from '../../lib/model/attempt.ts';
import { AttemptError } from '../../lib/errors.ts';
import type { Cause, Exit } from '../../lib/model/outcome.ts';

/** What a scripted experiment does: prints, waits, ends. */
export interface Script {
  readonly stdout?: string;
  readonly code?: number;
  /** It runs until this resolves, or until it is stopped. */
  readonly until?: Promise<unknown>;
  readonly provision?: () => void;
}

/** An executor in memory; notes what it started and how many ran at once. */
export class ScriptedExecutor implements Executor {
  readonly kind = 'virtual-environment';
  readonly started: string[] = [];
  running = 0;
  mostRunning = 0;
  readonly #script: (attempt: { readonly request: ReadyAttempt['request'] }) => Script;

  constructor(script: (attempt: { readonly request: ReadyAttempt['request'] }) => Script = () => ({})) {
    this.#script = script;
  }

  accepts(): boolean {
    return true;
  }

  async provision(attempt: Parameters<Executor['provision']>[0]): ReturnType<Executor['provision']> {
    this.#script(attempt).provision?.();
    return Promise.resolve({ file: 'scripted', args: [], cwd: attempt.workspace.workspace, env: {} });
  }

  start(attempt: ReadyAttempt): Promise<Run> {
    const { stdout = '', code = 0, until } = this.#script(attempt);
    const startedAtMs = Date.now();
    this.started.push(attempt.request.key);
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
    const { promise, resolve } = Promise.withResolvers<Exit>();
    let ended = false;
    const end = (stoppedBy?: Cause) => {
      if (ended) return;
      ended = true;
      this.running -= 1;
      streams.stdout.end();
      streams.stderr.end();
      resolve({
        code: stoppedBy ? null : code,
        signal: stoppedBy ? 'SIGTERM' : null,
        ...(stoppedBy ? { stoppedBy } : {}),
        startedAtMs,
        endedAtMs: Date.now(),
      });
    };
    const { signal } = attempt;
    signal.addEventListener('abort', () => {
      end(signal.reason instanceof AttemptError ? signal.reason.code : 'internal');
    });
    streams.stdout.write(stdout);
    void (until ?? Promise.resolve()).then(() => {
      end();
    });
    return Promise.resolve({ pid: undefined, startedAtMs, ...streams, exit: promise, stop: end });
  }
}
