import { AttemptError, isMachineFault, messageOf } from '../errors.ts';
import { sleep, timerMs } from '../flow/wait.ts';
import type { Command, Run } from '../model/attempt.ts';
import type { Exceeded, Exit } from '../model/outcome.ts';
import { spawn } from '../resources/child-process.ts';
import type { Launcher } from './launcher.ts';
import { createProcessTree } from './process-tree.ts';
import { startedBy, type Ended, type Started } from './shells.ts';
import { listenForStops } from './stops.ts';

/** What outlives the main process without having been stopped has this long to end after SIGTERM, at most. */
const leftoverGraceMs = 2000;
/** How long SIGKILL is sent again to what does not go. */
const killPatienceMs = 10_000;
/** Between two looks for what is left: a look goes through all processes of the machine, so ever longer. */
const firstPauseMs = 10;
const longestPauseMs = 250;
const longer = (pauseMs: number): number => Math.min(pauseMs * 1.5, longestPauseMs);

export interface ProcessSettings {
  /** Aborts when it must stop; the reason is an AttemptError. */
  readonly signal: AbortSignal;
  /** From SIGTERM to SIGKILL, ms. */
  readonly graceMs: number;
  /** Aborts when there is no time for a grace. */
  readonly kill?: AbortSignal | undefined;
  /** It is stopped after so many ms, with cause `max-duration`. */
  readonly maxDurationMs?: number | undefined;
  /** `NAME=value`, in the command's environment and in no other's: by it everything that it starts is known. */
  readonly marker: string;
  /** What becomes the program, within its limits; absent: it is started as it is, without limits. */
  readonly launcher?: Launcher | undefined;
  /** Hears of processes that SIGKILL did not end. */
  readonly onSurvivors?: (pids: readonly number[]) => void;
  readonly now?: () => number;
}

const startError = (file: string, error: unknown): AttemptError =>
  new AttemptError(
    isMachineFault(error) ? 'engine-fault' : 'no-such-program',
    `could not start ${file}: ${messageOf(error)}`,
  );

const startAlone = ({ file, args, cwd, env }: Command): Started => {
  try {
    const child = spawn(file, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    return { ...startedBy(child), stdout: child.stdout, stderr: child.stderr };
  } catch (error) {
    throw startError(file, error);
  }
};

/**
 * Start a program in a session of its own. `exit` resolves when nothing that it started is left, whether it left by itself or
 * was stopped: SIGTERM to all, the grace, SIGKILL until none is left.
 * Errors: the signal's reason where it is aborted; AttemptError `no-such-program` where it can't be started, `engine-fault` where
 * the machine has no process or file left for it.
 */
export const startProcess = async (command: Command, settings: ProcessSettings): Promise<Run> => {
  const { signal, graceMs, kill, maxDurationMs, marker, launcher, onSurvivors, now = Date.now } = settings;
  if (signal.aborted) launcher?.discard();
  signal.throwIfAborted();
  const startedAtMs = now();
  const bornAtMs = launcher?.shell.startedAtMs ?? startedAtMs;
  const confinement = launcher?.confinement;
  const started = launcher?.shell ?? startAlone(command);
  const { pid, stdout, stderr } = started;
  try {
    await launcher?.launch(command);
    if (pid === undefined) throw await started.failed;
  } catch (error) {
    launcher?.discard();
    throw startError(command.file, error);
  }

  const tree = createProcessTree(pid, marker, confinement?.group, launcher?.shell.parent);
  const main = Promise.withResolvers<Ended>();
  let stopping = false;
  let killing: Promise<void> | undefined;
  let graceTimer: NodeJS.Timeout | undefined;
  let killAtMs = Infinity;
  let hasEnded = false;

  const killUntilGone = async () => {
    const untilMs = performance.now() + killPatienceMs;
    for (let pauseMs = firstPauseMs; ; pauseMs = longer(pauseMs)) {
      tree.send('SIGKILL');
      await sleep(pauseMs);
      const left = tree.members();
      if (left.length === 0) return;
      if (performance.now() < untilMs) continue;
      onSurvivors?.(left);
      // Stuck in the kernel: nobody can end it, and nobody is served by waiting for it.
      main.resolve({ code: null, signal: 'SIGKILL' });
      return;
    }
  };
  const killAll = () => (killing ??= killUntilGone());

  const terminate = (waitMs: number) => {
    if (stopping) return;
    stopping = true;
    killAtMs = performance.now() + waitMs;
    tree.send('SIGTERM');
    graceTimer = setTimeout(() => void killAll(), timerMs(waitMs));
  };
  const killNow = () => {
    stopping = true;
    void killAll();
  };
  const stops = listenForStops({ signal, kill, maxDurationMs, onStop: () => terminate(graceMs), onKill: killNow });
  let exceeded: Exceeded | undefined;
  const onExceeded = (what: Exceeded) => {
    // What is seen of it afterwards did not end it.
    if (hasEnded) return;
    if (stops.note(what.resource === 'memory' ? 'out-of-memory' : 'out-of-disk')) exceeded = what;
    if (what.resource === 'disk') {
      terminate(Math.min(graceMs, leftoverGraceMs));
      return;
    }
    // It takes more while it is asked nicely.
    killNow();
  };

  const endLeftovers = async () => {
    if (killing === undefined && tree.leftovers(now() - bornAtMs).length === 0) return;
    terminate(Math.min(graceMs, leftoverGraceMs));
    for (let pauseMs = firstPauseMs; killing === undefined && performance.now() < killAtMs; pauseMs = longer(pauseMs)) {
      if (tree.members().length === 0) return;
      await sleep(Math.max(1, Math.min(pauseMs, killAtMs - performance.now())));
    }
    await killAll();
  };
  const supervise = async (): Promise<Exit> => {
    const { code, signal: endedBy } = await main.promise;
    hasEnded = true;
    const { cause } = stops;
    const endedAtMs = now();
    await endLeftovers();
    // Who stops it now comes too late.
    stopping = true;
    clearTimeout(graceTimer);
    stops.end();
    const used = await confinement?.end();
    // A kernel that killed for want of memory tells only by its counter; a program that coped with it did not fail.
    const beyond = exceeded ?? (cause === undefined && code !== 0 ? used?.outOfMemory : undefined);
    return {
      code,
      signal: endedBy,
      startedAtMs,
      endedAtMs,
      ...(cause && { stoppedBy: cause }),
      ...(used && { usage: used.usage, refusedStarts: used.refusedStarts }),
      ...(beyond && { exceeded: beyond }),
    };
  };

  confinement?.watch(() => tree.members(), onExceeded);
  void started.ended.then(main.resolve);
  return { pid, startedAtMs, stdout, stderr, exit: supervise(), stop: stops.stop };
};
