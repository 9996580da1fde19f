import type { DeadLetter, Verdict } from './dead-letters.ts';
import { pastOfRequeued, type Past } from './history.ts';

/** Messages of a service that hides what was taken from others for a while, as dead letters. */
export interface HeldLetters<M> {
  /** Some of the messages, hidden; none when nothing more is there. */
  take(signal: AbortSignal): Promise<readonly M[]>;
  /** Undefined for what is a dead letter of another queue. */
  letterOf(message: M): DeadLetter | undefined;
  idOf(message: M): string;
  /** Hide it for the whole time once more. Errors: it is not ours any more. */
  keepHidden(message: M, signal: AbortSignal): Promise<void>;
  /** Put a copy into its work queue. Resolves when it is there for certain. */
  sendHome(message: M, past: Past, signal: AbortSignal): Promise<void>;
  remove(message: M, signal: AbortSignal): Promise<void>;
  /** Show it to others again. */
  giveBack(message: M): Promise<void>;
}

/** A service with many machines behind it may answer with nothing although there is something. */
const emptyLooks = 2;

/**
 * Take every message of one place, judge those that are meant, oldest first, and show again what is kept. What comes while it is
 * at it is left to the next look.
 * Errors: those of the service; what was judged before stays judged.
 */
export const visitHeld = async <M>(
  held: HeldLetters<M>,
  judge: (letter: DeadLetter) => Verdict,
  signal: AbortSignal,
): Promise<void> => {
  const taken = new Map<string, M>();
  try {
    for (let empty = 0; empty < emptyLooks;) {
      const some = await held.take(signal);
      const fresh = some.filter(message => !taken.has(held.idOf(message)));
      for (const message of some) taken.set(held.idOf(message), message);
      empty = fresh.length === 0 ? empty + 1 : 0;
    }
    const letters = [...taken].flatMap(([id, message]) => {
      const letter = held.letterOf(message);
      return letter ? [{ id, message, letter }] : [];
    });
    letters.sort((a, b) => (a.letter.atMs ?? 0) - (b.letter.atMs ?? 0));
    for (const { id, message, letter } of letters) {
      signal.throwIfAborted();
      const verdict = judge(letter);
      if (verdict === 'keep') continue;
      if (verdict !== 'drop') {
        await held.keepHidden(message, signal);
        await held.sendHome(message, pastOfRequeued(letter, verdict === 'requeue-counted'), signal);
      }
      await held.remove(message, signal);
      taken.delete(id);
    }
  } finally {
    await Promise.allSettled([...taken.values()].map(message => held.giveBack(message)));
  }
};
