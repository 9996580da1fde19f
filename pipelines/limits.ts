import { firstValueFrom, Subject } from 'rxjs';
import { orAborted, timerMs } from '../lib/flow/wait.ts';
import type { Settled } from '../lib/model/attempt.ts';
import type { QueueContext } from './queue.ts';

export interface LimitSettings {
  /** End after so many experiments; 0: never. */
  readonly tasks: number;
  /** End when nothing was in hand for so long, ms; 0: never. */
  readonly idleMs: number;
  /** How often that is looked at, ms; at least as often as `idleMs`. */
  readonly intervalMs: number;
  /** Take nothing more, finish what runs, and end. */
  readonly stop: (why: string) => void;
  readonly now?: () => number;
}

/** When a runner ends by itself, for Kubernetes Jobs. */
export interface Limits {
  /** Takes no more messages than there are experiments left: a message too many goes back at once, uncounted. */
  readonly limited: (takeNext: QueueContext['takeNext']) => QueueContext['takeNext'];
  /** A message that was taken is settled, or not ours any more. */
  readonly settled: (settled: Pick<Settled, 'settlement'>) => void;
  readonly close: () => void;
}

/** Source: spec "When to run". */
export const createLimits = (settings: LimitSettings): Limits => {
  const { tasks, idleMs, intervalMs, stop, now = () => performance.now() } = settings;
  const freed = new Subject<void>();
  let inHand = 0;
  let done = 0;
  let idleSinceMs = now();
  const isFull = () => tasks > 0 && done + inHand >= tasks;
  const timer =
    idleMs > 0
      ? setInterval(
          () => {
            if (inHand === 0 && now() - idleSinceMs >= idleMs) stop('it was idle for LIMIT_IDLE_DURATION');
          },
          timerMs(Math.min(intervalMs, idleMs)),
        ).unref()
      : undefined;
  return {
    limited: takeNext => async (queue, signal) => {
      while (isFull()) await orAborted(firstValueFrom(freed), signal);
      const pulled = await takeNext(queue, signal);
      if (!pulled) return undefined;
      if (isFull()) {
        await pulled.delivery.settle({ type: 'release', delayMs: 0 }).finally(() => {
          pulled.credit.release();
          pulled.through?.();
        });
        return undefined;
      }
      inHand += 1;
      return pulled;
    },
    settled: ({ settlement }) => {
      inHand -= 1;
      if (settlement !== 'release' && settlement !== 'none') done += 1;
      if (inHand === 0) idleSinceMs = now();
      if (tasks > 0 && done >= tasks) stop('LIMIT_TASKS experiments are done');
      else freed.next();
    },
    close: () => clearInterval(timer),
  };
};
