import { PassThrough, type Readable } from 'node:stream';
import type Dockerode from 'dockerode';
import { AttemptError, messageOf } from '../../errors.ts';
import { sleep, timerMs } from '../../flow/wait.ts';
import type { Run } from '../../model/attempt.ts';
import type { Cause, Exceeded, Exit, Usage } from '../../model/outcome.ts';
import { signalOf } from '../signal-of.ts';
import { listenForStops } from '../stops.ts';
import { demux } from './demux.ts';
import { answered, engineFault, statusOf, whenBack } from './engine.ts';
import { followStats } from './follow-stats.ts';

export interface ContainerRunSettings {
  /** Aborts when it must stop; the reason is an AttemptError. */
  readonly signal: AbortSignal;
  /** Aborts when there is no time for a grace. */
  readonly kill: AbortSignal;
  /** From SIGTERM to SIGKILL, ms. */
  readonly graceMs: number;
  readonly maxDurationMs: number;
  /** Its ceiling, which the engine holds it to; 0: none. */
  readonly memoryBytes: number;
  /** Look at what it takes of the disk; `onExceeded` hears once that it must end. */
  readonly watchDisk: (onExceeded: (exceeded: Exceeded) => void) => {
    end(): Promise<{ readonly diskPeakBytes: number }>;
  };
  /** How long an engine that went away is waited for, and one that hangs when it was told to kill, ms. */
  readonly patienceMs: number;
  /**
   * Done when it has ended, before its end is told: its files are made the runner's, it is removed. Not done where the engine hangs, since
   * it may still run. Never rejects.
   */
  readonly afterwards: () => Promise<void>;
  readonly now: () => number;
}

/** What is still in the engine's hands when the program has ended comes within this time. */
const lastOutputMs = 10_000;

/** Why a container could not be started, by the engine's words. */
const startFailure = (error: unknown): Error => {
  const words = messageOf(error);
  const isProgram = /executable file not found|no such file or directory|permission denied|No command specified/i;
  if (statusOf(error) !== undefined && isProgram.test(words))
    return new AttemptError('no-such-program', `the image can not run it: ${words}`, {}, { cause: error });
  if (/could not select device driver|nvidia/i.test(words))
    return new AttemptError('gpu-fault', `the container engine can not hand cards on: ${words}`, {}, { cause: error });
  return engineFault('start the container', error);
};

interface Ended {
  readonly code: number | null;
  readonly cause?: Cause;
  /** Whether it may still run. */
  readonly isLost?: boolean;
}

/**
 * Start a container that was created. `exit` resolves when it has ended and `afterwards` is done. An engine that goes away in mid-run
 * ends the run with cause `engine-fault`: what was printed in between is lost. So does one that hangs when it is to kill.
 * Errors: the signal's reason; AttemptError `no-such-program`, `gpu-fault`, `engine-fault`.
 */
export const runContainer = async (container: Dockerode.Container, use: ContainerRunSettings): Promise<Run> => {
  const { signal, kill } = use;
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  let source: Readable;
  const attached = container.attach({ stream: true, stdout: true, stderr: true }) as unknown as Promise<Readable>;
  try {
    source = await answered(attached, undefined, signal);
  } catch (error) {
    // It may come yet.
    void attached.then(
      late => late.destroy(),
      () => undefined,
    );
    throw signal.aborted ? signal.reason : engineFault('attach to the container', error);
  }
  const reading = demux(source, stdout, stderr).catch(() => undefined);
  try {
    signal.throwIfAborted();
    await answered(container.start(), undefined, signal);
  } catch (error) {
    source.destroy();
    throw signal.aborted ? signal.reason : startFailure(error);
  }
  const startedAtMs = use.now();
  let grace: NodeJS.Timeout | undefined;
  let exceeded: Exceeded | undefined;
  let hasEnded = false;
  const hung = Promise.withResolvers<Ended>();
  let patience: NodeJS.Timeout | undefined;
  const send = (name: NodeJS.Signals) => void container.kill({ signal: name }).catch(() => undefined);
  const onKill = () => {
    send('SIGKILL');
    // Nobody is served by waiting for an engine that does not even do this.
    patience ??= setTimeout(hung.resolve, use.patienceMs, { code: null, cause: 'engine-fault', isLost: true });
  };
  const onStop = () => {
    if (grace !== undefined) return;
    send('SIGTERM');
    grace = setTimeout(onKill, timerMs(use.graceMs));
  };
  const stats = followStats(container);
  const stops = listenForStops({ signal, kill, maxDurationMs: use.maxDurationMs, onStop, onKill });
  const disk = use.watchDisk(what => {
    // What is seen of it afterwards did not end it.
    if (hasEnded) return;
    if (stops.note('out-of-disk')) exceeded = what;
    // It takes more while it is asked nicely.
    onKill();
  });

  const ended = async (): Promise<Ended> => {
    try {
      const { StatusCode: code } = (await container.wait()) as { StatusCode: number };
      const { State } = await answered(container.inspect());
      // Set for any process in it: a program that coped with it did not fail.
      return State.OOMKilled && code !== 0 ? { code, cause: 'out-of-memory' } : { code };
    } catch {
      // What it is after an engine's restart is nobody's knowledge: it must not go on beside a second attempt.
      await whenBack(use.patienceMs, () => answered(container.kill(), use.patienceMs)).catch(() => undefined);
      return { code: null, cause: 'engine-fault' };
    }
  };
  const supervise = async (): Promise<Exit> => {
    const { code, cause, isLost } = await Promise.race([ended(), hung.promise]);
    hasEnded = true;
    const endedAtMs = use.now();
    clearTimeout(grace);
    clearTimeout(patience);
    stops.end();
    const letGo = new AbortController();
    await Promise.race([reading, sleep(lastOutputMs, letGo.signal).catch(() => undefined)]);
    letGo.abort();
    source.destroy();
    const [{ diskPeakBytes: diskBytes }] = await Promise.all([disk.end(), isLost ? undefined : use.afterwards()]);
    // 128 and the number of a signal, as shells and engines tell it.
    const endedBy = code === null ? 'SIGKILL' : signalOf(code - 128);
    // What may still run can't be told for stopped.
    const why = isLost ? cause : (stops.cause ?? cause);
    const seen = stats.end();
    const isOut = why === 'out-of-memory';
    // Whoever was killed at a ceiling had reached it, whatever the last look saw of it.
    const memoryBytes = Math.max(seen.memoryBytes ?? 0, isOut ? use.memoryBytes : 0);
    const usage: Usage = { ...seen, ...(memoryBytes > 0 && { memoryBytes }), diskBytes };
    const atCeiling: Exceeded | undefined = isOut
      ? { resource: 'memory', limitBytes: use.memoryBytes, usedBytes: memoryBytes, because: 'ceiling' }
      : undefined;
    const beyond = exceeded ?? atCeiling;
    return {
      ...(endedBy === undefined ? { code, signal: null } : { code: null, signal: endedBy }),
      startedAtMs,
      endedAtMs,
      ...(why && { stoppedBy: why }),
      usage,
      ...(beyond && { exceeded: beyond }),
    };
  };

  return { pid: undefined, startedAtMs, stdout, stderr, exit: supervise(), stop: stops.stop };
};
