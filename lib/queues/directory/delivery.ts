import { lstat, mkdir, rename, rm, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AttemptError, UnplacedLetter } from '../../errors.ts';
import type { Delivery, QueueName } from '../../model/delivery.ts';
import type { Settlement } from '../../model/outcome.ts';
import type { ClaimsKeeper } from './claims.ts';
import type { Past } from '../history.ts';
import { placeLetter } from '../place-letter.ts';
import { bringHome, freeName, isUnset, readPastAt, readWithin, writePastAt } from './home.ts';
import { isMissing, messageName, pastOf, type QueuePaths } from './paths.ts';

type Reject = Extract<Settlement, { type: 'reject' }>;

export interface ClaimedMessage {
  readonly queue: QueueName;
  readonly paths: QueuePaths;
  /** The claim's file in `paths.claims`. */
  readonly claim: string;
  readonly claims: ClaimsKeeper;
  readonly maxMessageBytes: number;
  readonly now: () => number;
}

/**
 * A message that was renamed into this runner's claims. Each settlement is decided by one rename or removal of the message's file,
 * which fails where the claim went home meanwhile; what has to be known with it is written before, leftovers go after. Dying
 * at any point leaves the message claimed (it comes home, counted if `begin` was called) or settled:
 *
 *   begin    write the number beside the claim
 *   accept   remove the message | then its number
 *   release  write the old number, set the message's time once begun or where nobody here can run it | move it home | move the message home
 *   retry    write the new number, set the message's time | move the number home | move the message home
 *   reject   write the letter's reason | move the message to it | then remove its number
 *
 * Where there is no place for a letter the message goes back, behind the others. What can't be written because the disk is full, for one,
 * keeps no message: it goes home as it is, since its claim would be held for as long as this runner lives.
 * Errors: those of the file system where the message can't be read; it is still claimed.
 */
export const createDelivery = async (message: ClaimedMessage): Promise<Delivery> => {
  const { queue, paths, claim, claims, maxMessageBytes, now } = message;
  const claimed = join(paths.claims, claim);
  const name = messageName(claim);
  const past = await readPastAt(paths.claims, claim);
  const { body, unreadBytes } = await readWithin(claimed, maxMessageBytes);
  const lost = new AbortController();
  const where = { queue: queue.name, message: name };
  const gone = (cause: unknown) =>
    new AttemptError('lease-lost', 'the message went back to its queue', where, { cause });
  const letGo = claims.hold(claimed, why => {
    letGo();
    lost.abort(gone(why));
  });
  let settled = false;

  let begunAs: number | undefined;

  const dropPast = () => rm(join(paths.claims, pastOf(claim)), { force: true });

  /** Bring it home with this past: none is no file. */
  const goHome = async (with_: Past): Promise<void> => {
    if (isUnset(with_)) await dropPast();
    else await writePastAt(paths.claims, claim, with_);
    await bringHome(paths.claims, paths.queue, claim);
  };

  const goBehind = async (with_: Past): Promise<void> => {
    // A time of whole milliseconds, rounded up: what came in this one lies before it.
    const time = new Date(now() + 1);
    await utimes(claimed, time, time);
    await goHome(with_);
  };

  const bury = async ({ reason, message, history }: Reject): Promise<void> => {
    await mkdir(paths.dead, { recursive: true });
    const letter = { queue: queue.name, reason, message, history, at: new Date(now()).toISOString() };
    const dead = await freeName(paths.dead, name, ['', '.json']);
    const reasonFile = join(paths.dead, `${dead}.json`);
    try {
      await writeFile(reasonFile, `${JSON.stringify(letter, null, 2)}\n`);
      await rename(claimed, join(paths.dead, dead));
    } catch (error) {
      await rm(reasonFile, { force: true });
      throw error;
    }
  };

  const apply = async (settlement: Settlement): Promise<void> => {
    switch (settlement.type) {
      case 'none':
        return;
      case 'accept':
        await unlink(claimed);
        await dropPast();
        return;
      case 'release':
        await lstat(claimed);
        // Whatever begin wrote is taken back: a clean return is no attempt. It was let in, so others come first: what can't run now, since
        // a second message of it runs, would be the next one to be taken for as long as that lasts.
        if (settlement.unplacedSinceMs !== undefined)
          await goBehind({ ...past, unplacedSinceMs: settlement.unplacedSinceMs });
        else await (begunAs === undefined ? goHome(past) : goBehind(past));
        return;
      case 'retry':
        await goBehind({ ...past, attempts: settlement.attempt, history: settlement.history });
        return;
      case 'reject':
        await placeLetter({
          place: () => bury(settlement),
          giveBack: () =>
            goBehind(begunAs === undefined ? past : { ...past, attempts: begunAs, history: settlement.history }),
          remedy: `make ${paths.dead} a directory that this runner may write to, on a disk with room`,
        });
        await dropPast();
        return;
      default:
        settlement satisfies never;
    }
  };

  return {
    queue,
    id: name,
    body,
    unreadBytes,
    attemptsBefore: past.attempts,
    history: past.history,
    unplacedSinceMs: past.unplacedSinceMs,
    buriedAtMs: past.buriedAtMs,
    receivedAtMs: now(),
    lost: lost.signal,
    begin: async attempt => {
      await lstat(claimed).catch((error: unknown) => {
        lost.abort(gone(error));
      });
      lost.signal.throwIfAborted();
      await writePastAt(paths.claims, claim, { ...past, attempts: attempt });
      begunAs = attempt;
    },
    settle: async settlement => {
      if (settled) throw new Error(`a message was settled twice [queue=${queue.name}, message=${name}]`);
      settled = true;
      // With 'none' nobody will ever settle it: it stays claimed as long as this runner lives, unless it is gone already.
      letGo();
      await apply(settlement).catch(async (error: unknown) => {
        if (!(error instanceof UnplacedLetter) && settlement.type !== 'accept')
          await bringHome(paths.claims, paths.queue, claim).catch(() => undefined);
        throw isMissing(error) ? gone(error) : error;
      });
    },
  };
};
