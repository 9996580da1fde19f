import { connect, type Channel, type ChannelModel, type ConfirmChannel, type GetMessage } from 'amqplib';
import { messageOf } from '../../errors.ts';
import { sleep } from '../../flow/wait.ts';
import type { DeadLetter, DeadLetters, Verdict } from '../dead-letters.ts';
import { isNotFound, onThrowAwayChannel } from './channels.ts';
import { deadQueueOf } from './delivery.ts';
import { isWorkQueue } from './discovery.ts';
import { diedIn, letterOf, requeuedHeaders } from './letter.ts';
import { isQuorum, listQueues, policyTargets } from './policy-targets.ts';

export interface RabbitmqDeadLettersSettings {
  readonly url: string;
  readonly vhost: string;
  /** Absent: only the queues of the runner's own are found, for `queues` and those that are asked for by name. */
  readonly managementUrl?: string | undefined;
  readonly queues: readonly string[];
  /** Leave out quorum queues: each look counts as a return of a message, and of these they bear few. Default: false. */
  readonly sparing?: boolean;
  /** How long another operator at the same queue is waited for, ms. */
  readonly patienceMs?: number;
}

const resourceLocked = 405;
const deadPrefix = deadQueueOf('');

/** What goes along when a letter goes back. An expiration or a user of before would be in the way. */
const carried = [
  'contentType',
  'contentEncoding',
  'messageId',
  'correlationId',
  'replyTo',
  'timestamp',
  'type',
  'appId',
];

/** Publish to a queue; resolves when the broker has it. */
const publish = async (
  channel: ConfirmChannel,
  letter: DeadLetter,
  message: GetMessage,
  counted: boolean,
): Promise<void> => {
  const { queue } = letter;
  const properties = message.properties as unknown as Readonly<Record<string, unknown>>;
  const given = Object.fromEntries(
    carried.filter(name => properties[name] !== undefined).map(name => [name, properties[name]]),
  );
  let returned = false;
  const onReturn = () => {
    returned = true;
  };
  channel.on('return', onReturn);
  try {
    const options = { ...given, headers: requeuedHeaders(message, letter, counted), persistent: true, mandatory: true };
    channel.publish('', queue, message.content, options);
    await channel.waitForConfirms();
  } finally {
    channel.off('return', onReturn);
  }
  if (returned) throw new Error(`the queue is gone; the dead letter stays [queue=${queue}]`);
};

/**
 * Dead letters of RabbitMQ: those in the runner's own queue `studioml.dead.<queue>`, and those that the queue's own dead-letter policy
 * moved to a queue that nobody consumes. A look takes every message of such a queue unacknowledged and lets the channel go: the
 * broker puts them back where they were. One operator at a time looks at one queue: an exclusive queue is the lock, which goes with
 * its connection.
 */
export const rabbitmqDeadLetters = async (settings: RabbitmqDeadLettersSettings): Promise<DeadLetters> => {
  const { url, vhost, managementUrl, sparing = false, patienceMs = 30_000 } = settings;
  const management = managementUrl === undefined ? undefined : { managementUrl, vhost };
  const model: ChannelModel = await connect(url, { noDelay: true, timeout: 10_000 });
  model.on('error', () => undefined);

  const whileLocked = async (queue: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> => {
    const lock = `studioml.dead-lock.${queue}`;
    const untilMs = performance.now() + patienceMs;
    for (;;) {
      try {
        await onThrowAwayChannel(model, channel => channel.assertQueue(lock, { exclusive: true, durable: false }));
        break;
      } catch (error) {
        if ((error as { code?: unknown }).code !== resourceLocked) throw error;
        if (performance.now() > untilMs)
          throw new Error(`another operator is at the dead letters [queue=${queue}]`, { cause: error });
        await sleep(200, signal);
      }
    }
    try {
      await work();
    } finally {
      await onThrowAwayChannel(model, channel => channel.deleteQueue(lock)).catch(() => undefined);
    }
  };

  /** Messages in a queue that nobody consumes; none where there is no such queue. */
  const lyingIn = async (place: string): Promise<number> => {
    try {
      const { messageCount, consumerCount } = await onThrowAwayChannel(model, channel => channel.checkQueue(place));
      return consumerCount > 0 ? 0 : messageCount;
    } catch (error) {
      if (isNotFound(error)) return 0;
      throw error;
    }
  };

  const targetsOf = async (queue: string, signal: AbortSignal): Promise<readonly string[]> => {
    if (!management) return [];
    const targets = await policyTargets(management, queue, signal);
    const others = targets.filter(target => target !== queue && target !== deadQueueOf(queue));
    if (!sparing) return others;
    const areQuorum = await Promise.all(others.map(target => isQuorum(management, target, signal)));
    return others.filter((_, at) => areQuorum[at] === false);
  };

  const settle = async (message: GetMessage, letter: DeadLetter, verdict: Verdict, holding: Channel): Promise<void> => {
    if (verdict === 'keep') return;
    if (verdict !== 'drop') {
      const publishing = await model.createConfirmChannel();
      publishing.on('error', () => undefined);
      try {
        await publish(publishing, letter, message, verdict === 'requeue-counted');
      } finally {
        await publishing.close().catch(() => undefined);
      }
    }
    holding.ack(message);
  };

  return {
    kind: 'rabbitmq',
    queues: async signal => {
      if (!management) return [...settings.queues];
      const found = await listQueues(management, signal);
      const own = found.flatMap(({ name }) => (name.startsWith(deadPrefix) ? [name.slice(deadPrefix.length)] : []));
      const withPolicy = found.filter(one => one.hasPolicy && isWorkQueue(one.name)).map(one => one.name);
      return [...new Set([...own, ...withPolicy, ...settings.queues])].sort();
    },
    visit: (queue, judge, signal) =>
      whileLocked(queue, signal, async () => {
        const seen = new Map<string, number>();
        for (const place of [deadQueueOf(queue), ...(await targetsOf(queue, signal))]) {
          let left = await lyingIn(place);
          if (left === 0) continue;
          const holding = await model.createChannel();
          holding.on('error', () => undefined);
          try {
            // Not beyond what lay there at the start: what comes meanwhile is for the next look.
            for (; left > 0; left--) {
              signal.throwIfAborted();
              const message = await holding.get(place);
              if (message === false) break;
              if (place !== deadQueueOf(queue) && !diedIn(message, queue)) continue;
              const letter = letterOf(message, queue, place, seen);
              await settle(message, letter, judge(letter), holding);
            }
          } finally {
            // What is unacknowledged goes back with the channel.
            await holding.close().catch(() => undefined);
          }
        }
      }),
    close: () =>
      model.close().catch((error: unknown) => {
        throw new Error(`the broker could not be left: ${messageOf(error)}`);
      }),
  };
};
