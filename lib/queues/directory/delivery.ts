import { mkdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AttemptError } from '../../errors.ts';
import type { Delivery, QueueName } from '../../model/delivery.ts';
import type { Settlement } from '../../model/outcome.ts';
import type { Past } from '../history.ts';
import { bringHome, dropClaim, writePastAt } from './claims.ts';
import type { QueuePaths } from './paths.ts';

export interface ClaimedMessage {
  readonly queue: QueueName;
  readonly paths: QueuePaths;
  readonly name: string;
  readonly past: Past;
  readonly now: () => number;
}

/**
 * A message that was renamed into this runner's claims. Each settlement is one rename or removal that decides, with what
 * belongs to it written before.
 */
export const createDelivery = async ({ queue, paths, name, past, now }: ClaimedMessage): Promise<Delivery> => {
  const { claims } = paths;
  const claimed = join(claims, name);
  const body = await readFile(claimed);
  const lost = new AbortController();
  let settled = false;

  const reject = async ({ reason, message, history }: Extract<Settlement, { type: 'reject' }>): Promise<void> => {
    await mkdir(paths.dead, { recursive: true });
    const letter = { queue: queue.name, reason, message, history, at: new Date(now()).toISOString() };
    await writeFile(join(paths.dead, `${name}.json`), `${JSON.stringify(letter, null, 2)}\n`);
    await rename(claimed, join(paths.dead, name));
    await dropClaim(claims, name);
  };

  const apply = async (settlement: Settlement): Promise<void> => {
    switch (settlement.type) {
      case 'none':
        return;
      case 'accept':
        await dropClaim(claims, name);
        return;
      case 'release':
        // Whatever begin wrote is taken back: a clean return is no attempt.
        await writePastAt(claims, name, past);
        await bringHome(claims, paths.queue, name);
        return;
      case 'retry': {
        const time = new Date(now());
        await writePastAt(claims, name, { attempts: settlement.attempt, history: settlement.history });
        await utimes(claimed, time, time);
        await bringHome(claims, paths.queue, name);
        return;
      }
      case 'reject':
        await reject(settlement);
        return;
      default:
        settlement satisfies never;
    }
  };

  return {
    queue,
    id: name,
    body,
    attemptsBefore: past.attempts,
    history: past.history,
    receivedAtMs: now(),
    lost: lost.signal,
    begin: async attempt => {
      await stat(claimed).catch((error: unknown) => {
        lost.abort(
          new AttemptError('lease-lost', 'the claim is gone', { queue: queue.name, message: name }, { cause: error }),
        );
      });
      lost.signal.throwIfAborted();
      await writePastAt(claims, name, { attempts: attempt, history: past.history });
    },
    settle: async settlement => {
      if (settled) throw new Error(`a message was settled twice [queue=${queue.name}, message=${name}]`);
      settled = true;
      await apply(settlement);
    },
  };
};
