import type { Channel } from 'amqplib';
import type { InTurn } from '../../flow/in-turn.ts';
import { AttemptError, UnplacedLetter } from '../../errors.ts';
import type { Delivery } from '../../model/delivery.ts';
import { readPast } from '../history.ts';
import { settleHold, type Hold } from './hold.ts';
import { holdOnChannel, type HoldOnChannelSettings } from './hold-on-channel.ts';
import { holdInLease } from './lease/hold-in-lease.ts';
import type { Leases } from './lease/keeper.ts';
import { headerNames, originalHeaders } from './message.ts';
import type { Patience } from './patience.ts';

export { deadQueueOf } from './dead-queue.ts';

export interface DeliverySettings extends HoldOnChannelSettings {
  readonly channel: Channel;
  /** Whose turn it is on the channel. */
  readonly inTurn: InTurn;
  /** Absent where the broker offers none: then the message stays on its channel until it is settled. */
  readonly leases: Leases | undefined;
  readonly patience: Patience;
  /** Called once, when the message needs its channel no longer. */
  readonly onSettled: () => void;
  readonly now: () => number;
}

/**
 * A message that is held unacknowledged on its channel until its attempt begins, and in a lease from then on. The lease's copies
 * carry the number of the attempt: if the runner dies, the message comes home counted. Without leases the broker only says that it gave
 * the message out before, to somebody who may have given it back unbegun; with the mark of an attempt that never ended that is a
 * death, which counts when the next runner begins. So what was begun without a lease is given back as a copy, which the broker gives out for
 * the first time.
 */
export const createDelivery = (settings: DeliverySettings): Delivery => {
  const { queue, message, channel, inTurn, live, ended, leases, patience, onSettled, now } = settings;
  const headers = originalHeaders(message.properties.headers);
  const past = readPast({
    attempts: headers[headerNames.attempt],
    history: headers[headerNames.history],
    unplacedSinceMs: headers[headerNames.unplacedSince],
    buriedAtMs: headers[headerNames.buriedAt],
  });
  const onChannel = holdOnChannel(settings);
  const lost = new AbortController();
  const hear = ({ lost: signal }: Hold) => {
    const lose = () => lost.abort(signal.reason);
    if (signal.aborted) lose();
    else signal.addEventListener('abort', lose, { once: true });
  };
  hear(onChannel);
  let hold: Hold = onChannel;
  let settled = false;
  let begunAs: number | undefined;
  let stopWatch: (() => void) | undefined;

  return {
    queue,
    id: `${message.fields.exchange || 'default'}/${String(message.fields.deliveryTag)}`,
    body: message.content,
    attemptsBefore: past.attempts,
    history: past.history,
    unplacedSinceMs: past.unplacedSinceMs,
    buriedAtMs: past.buriedAtMs,
    receivedAtMs: now(),
    lost: lost.signal,
    keepsApart: leases !== undefined,
    begin: async (attempt, key, rival) => {
      lost.signal.throwIfAborted();
      begunAs = attempt;
      if (!leases) {
        if (message.fields.redelivered && (await rival) === 'begun')
          throw new AttemptError('runner-died', 'the message was begun before and never settled', {
            queue: queue.name,
          });
        stopWatch ??= patience.watch(queue, live.model, ended);
        return;
      }
      const { entry, refusal } = await leases.take({
        queue: queue.name,
        message,
        attempt,
        key,
        rival,
        channel,
        inTurn,
        live,
        ended,
      });
      onChannel.letGo();
      hold = holdInLease(settings, leases, entry);
      hear(hold);
      onSettled();
      if (refusal) throw refusal;
    },
    settle: async settlement => {
      if (settled) throw new Error(`a message was settled twice [queue=${queue.name}]`);
      settled = true;
      stopWatch?.();
      onChannel.letGo();
      try {
        await settleHold(hold, settings, settlement, begunAs);
      } catch (error) {
        // A lease comes home by itself; a channel would hold the message for as long as it lives.
        const isBack = settlement.type === 'release' || error instanceof UnplacedLetter;
        if (hold === onChannel && !isBack) await hold.release().catch(() => undefined);
        throw error;
      } finally {
        if (hold === onChannel) onSettled();
      }
    },
  };
};
