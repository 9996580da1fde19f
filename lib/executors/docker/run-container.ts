import { constants } from 'node:os';
import { PassThrough, type Readable } from 'node:stream';
import type Dockerode from 'dockerode';
import { AttemptError, messageOf } from '../../errors.ts';
import { sleep } from '../../flow/wait.ts';
import type { Run } from '../../model/attempt.ts';
import type { Cause, Exit } from '../../model/outcome.ts';
import { demux } from './demux.ts';
import { engineFault, statusOf, whenBack } from './engine.ts';

export interface ContainerRunSettings {
  /** Aborts when it must stop; the reason is an AttemptError. */
  readonly signal: AbortSignal;
  /** Aborts when there is no time for a grace. */
  readonly kill: AbortSignal;
  /** From SIGTERM to SIGKILL, ms. */
  readonly graceMs: number;
  readonly maxDurationMs: number;
  /** How long an engine that went away is waited for, ms. */
  readonly patienceMs: number;
  /** Done when it has ended, before its end is told: its files are made the runner's, it is removed. Never rejects. */
  readonly afterwards: () => Promise<void>;
  readonly now: () => number;
}

const longestTimerMs = 2 ** 31 - 1;
/** What is still in the engine's hands when the program has ended comes within this time. */
const lastOutputMs = 10_000;

/** 128 and the number of a signal, as shells and engines tell it. */
const signalOf = (code: number): NodeJS.Signals | undefined =>
  (Object.entries(constants.signals) as [NodeJS.Signals, number][]).find(([, number]) => number === code - 128)?.[0];

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
}

/**
 * Start a container that was created. `exit` resolves when it has ended and `afterwards` is done. An engine that goes away in mid-run
 * ends the run with cause `engine-fault`: what was printed in between is lost.
 * Errors: the signal's reason; AttemptError `no-such-program`, `gpu-fault`, `engine-fault`.
 */
export const runContainer = async (container: Dockerode.Container, use: ContainerRunSettings): Promise<Run> => {
  const { signal, kill } = use;
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  let source: Readable;
  try {
    source = (await container.attach({ stream: true, stdout: true, stderr: true })) as unknown as Readable;
  } catch (error) {
    throw engineFault('attach to the container', error);
  }
  const reading = demux(source, stdout, stderr).catch(() => undefined);
  try {
    signal.throwIfAborted();
    await container.start();
  } catch (error) {
    source.destroy();
    throw signal.aborted ? signal.reason : startFailure(error);
  }
  const startedAtMs = use.now();
  let stoppedBy: Cause | undefined;
  let grace: NodeJS.Timeout | undefined;
  const send = (name: NodeJS.Signals) => void container.kill({ signal: name }).catch(() => undefined);
  const stop = (cause: Cause) => {
    if (stoppedBy !== undefined) return;
    stoppedBy = cause;
    send('SIGTERM');
    grace = setTimeout(send, Math.min(use.graceMs, longestTimerMs), 'SIGKILL');
  };
  const onAbort = () => {
    stop(signal.reason instanceof AttemptError ? signal.reason.code : 'stopping');
  };
  const onKill = () => {
    stoppedBy ??= 'stopping';
    send('SIGKILL');
  };
  const limit = setTimeout(stop, Math.min(use.maxDurationMs, longestTimerMs), 'max-duration' satisfies Cause);

  const ended = async (): Promise<Ended> => {
    try {
      const { StatusCode: code } = (await container.wait()) as { StatusCode: number };
      const { State } = await container.inspect();
      return State.OOMKilled ? { code, cause: 'out-of-memory' } : { code };
    } catch {
      // What it is after an engine's restart is nobody's knowledge: it must not go on beside a second attempt.
      await whenBack(use.patienceMs, () => container.kill()).catch(() => undefined);
      return { code: null, cause: 'engine-fault' };
    }
  };
  const supervise = async (): Promise<Exit> => {
    const { code, cause } = await ended();
    const endedAtMs = use.now();
    clearTimeout(limit);
    clearTimeout(grace);
    signal.removeEventListener('abort', onAbort);
    kill.removeEventListener('abort', onKill);
    const letGo = new AbortController();
    await Promise.race([reading, sleep(lastOutputMs, letGo.signal).catch(() => undefined)]);
    letGo.abort();
    source.destroy();
    await use.afterwards();
    const endedBy = code === null ? 'SIGKILL' : signalOf(code);
    const why = stoppedBy ?? cause;
    return {
      ...(endedBy === undefined ? { code, signal: null } : { code: null, signal: endedBy }),
      startedAtMs,
      endedAtMs,
      ...(why && { stoppedBy: why }),
    };
  };

  signal.addEventListener('abort', onAbort, { once: true });
  kill.addEventListener('abort', onKill, { once: true });
  if (signal.aborted) onAbort();
  if (kill.aborted) onKill();
  return { pid: undefined, startedAtMs, stdout, stderr, exit: supervise(), stop };
};
