import type { Cause } from '../model/outcome.ts';
import type { Emit } from '../telemetry/events.ts';

/** How an attempt ended, as far as it tells of the machine. */
export interface Ending {
  readonly cause: Cause;
  /** Whether its program ran to an end of its own. */
  readonly ran: boolean;
  /** Whose experiment: the project, or where there is none the experiment itself. */
  readonly project: string;
  /** Cards that it held. */
  readonly gpus: readonly string[];
}

export interface QuarantineSettings {
  readonly emit: Emit;
  /** Take no more messages, or take them again. */
  readonly pause: () => void;
  readonly resume: () => void;
  readonly setAside: (gpu: string) => void;
  readonly putBack: (gpu: string) => void;
  /** Rejects where cards can't be looked at: then none is put back. */
  readonly lookAtCards: () => Promise<void>;
  /** The first time, ms; it doubles up to the longest. */
  readonly firstMs?: number;
  readonly longestMs?: number;
  /** Do something after so many ms; what comes back cancels it. */
  readonly later?: (ms: number, work: () => void) => () => void;
}

/** A machine, or a card, that takes itself out when it fails again and again. */
export interface Quarantine {
  ended(ending: Ending): void;
  /** Why no work is taken; undefined while it is. */
  readonly reason: string | undefined;
  close(): void;
}

/** What the machine does to an experiment, not the experiment to itself. */
const machineFaults: ReadonlySet<Cause> = new Set(['engine-fault', 'gpu-fault', 'internal']);

/** So many failures in a row, of so many projects: one experiment that breaks everything it touches is not the machine's fault. */
const failuresOfMachine = 3;
const failuresOfCard = 2;
const projectsNeeded = 2;

/** Failures since the last success. */
class Streak {
  readonly #projects = new Set<string>();
  #failures = 0;
  /** Times that it was put in quarantine since the last success. */
  times = 0;

  fail(project: string, enough: number): boolean {
    this.#projects.add(project);
    this.#failures += 1;
    // Who was let out on trial goes back at the first failure.
    return this.times > 0 || (this.#failures >= enough && this.#projects.size >= projectsNeeded);
  }

  get failures(): number {
    return this.#failures;
  }
}

const afterMs = (ms: number, work: () => void): (() => void) => {
  const timer = setTimeout(work, ms).unref();
  return () => {
    clearTimeout(timer);
  };
};

/**
 * Counts failures that the machine is to blame for, of the whole runner and of each card, until a success. Three in a row over two
 * projects: the runner takes no more messages; two on one card: the card is granted no more. What fails for want of cards that can be
 * looked at says nothing of the rest of the machine. After a time that doubles with each failure, and for a card a look at it, it is
 * tried again: the first success ends it, the first failure puts it back. A restart ends it as well. Messages of such failures are
 * given back, and not counted.
 */
export const createQuarantine = (use: QuarantineSettings): Quarantine => {
  const { emit, firstMs = 60_000, longestMs = 30 * 60_000, later = afterMs } = use;
  let isClosed = false;
  const cancels = new Set<() => void>();
  const cards = new Map<string, Streak>();
  const out = new Set<string>();
  let machine = new Streak();
  let reason: string | undefined;

  const durationOf = (times: number) => Math.min(longestMs, firstMs * 2 ** times);
  /** Out until the time is over and a look, where there is one, finds nothing wrong. */
  const hold = (streak: Streak, end: () => void, look = () => Promise.resolve()) => {
    const cancel = later(durationOf(streak.times), () => {
      cancels.delete(cancel);
      look().then(end, () => {
        if (!isClosed) hold(streak, end, look);
      });
    });
    cancels.add(cancel);
    streak.times += 1;
  };

  const failedOn = (gpu: string, { project }: Ending) => {
    const streak = cards.get(gpu) ?? new Streak();
    cards.set(gpu, streak);
    if (!streak.fail(project, failuresOfCard) || out.has(gpu)) return;
    out.add(gpu);
    use.setAside(gpu);
    emit('gpu-quarantined', { gpu, failures: streak.failures, forMs: durationOf(streak.times) });
    const end = () => {
      out.delete(gpu);
      emit('quarantine-ended', { gpu });
      use.putBack(gpu);
    };
    hold(streak, end, use.lookAtCards);
  };
  const failed = ({ project, cause }: Ending) => {
    if (!machine.fail(project, failuresOfMachine) || reason !== undefined) return;
    reason = `it is in quarantine after ${String(machine.failures)} failures of the machine in a row, the last one ${cause}`;
    use.pause();
    emit('quarantined', { cause, failures: machine.failures, forMs: durationOf(machine.times) });
    hold(machine, () => {
      reason = undefined;
      emit('quarantine-ended', {});
      use.resume();
    });
  };

  return {
    ended: ending => {
      const { cause, ran, gpus } = ending;
      if (!machineFaults.has(cause)) {
        if (!ran) return;
        machine = new Streak();
        for (const gpu of gpus) cards.delete(gpu);
      } else if (cause === 'gpu-fault') for (const gpu of gpus) failedOn(gpu, ending);
      else failed(ending);
    },
    get reason() {
      return reason;
    },
    close: () => {
      isClosed = true;
      for (const cancel of cancels) cancel();
    },
  };
};
