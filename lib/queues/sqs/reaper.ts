import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type Message,
} from '@aws-sdk/client-sqs';
import type { Emit } from '../../telemetry/events.ts';
import { deathOf, reapInTurn } from '../reaping.ts';
import type { SqsAccount, SqsCall } from './account.ts';
import { copyOf, leaseOf, pastOf, queueOf } from './copies.ts';
import { faultOf } from './faults.ts';
import { idleMs, type LeaseQueue } from './lease-queue.ts';

export interface ReaperSettings {
  readonly account: SqsAccount;
  /** Lease queues of all runners, by name. */
  readonly queues: () => ReadonlyMap<string, string>;
  /** This runner's own. */
  readonly own: Pick<LeaseQueue, 'name' | 'claimOf'>;
  readonly leaseMs: number;
  readonly emit: Emit;
  readonly now: () => number;
}

/**
 * Bring home what runners that died had begun, and what this one could not keep: it may be the only one. A runner that lives keeps
 * its copies hidden; what is visible in its lease queue has lapsed. A copy that is received for the first time was never held: its
 * original was not deleted and comes home by itself, so that copy is left to its runner, and dropped when it is older than a lease.
 */
export const createReaper = (settings: ReaperSettings): { close(): Promise<void> } => {
  const { account, queues, own, leaseMs, emit, now } = settings;
  const closing = new AbortController();
  /** Since when a lease queue was found empty at each look. */
  const emptySince = new Map<string, number>();
  const ask = <T>(work: SqsCall<T>) => account.call(work, { signal: closing.signal });

  const drop = (QueueUrl: string, ReceiptHandle: string) =>
    ask((client, options) => client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }), options));

  const show = (QueueUrl: string, ReceiptHandle: string) =>
    ask((client, options) =>
      client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }), options),
    );

  const bringHome = async (url: string, message: Message, isOwn: boolean): Promise<void> => {
    const receipt = message.ReceiptHandle ?? '';
    const home = queueOf(message);
    const claim = isOwn ? own.claimOf(leaseOf(message) ?? '', message.MessageId ?? '') : 'lapsed';
    if (claim !== 'lapsed') {
      await (claim === 'awaited' ? show(url, receipt) : drop(url, receipt));
      return;
    }
    const ageMs = now() - Number(message.Attributes?.SentTimestamp);
    // One that is younger than it is hidden can't have lapsed: its runner is about to take it or to drop it as one too many at its own
    // next look, or an earlier look here was in its way.
    if (Number(message.Attributes?.ApproximateReceiveCount) <= 1 || ageMs < leaseMs / 2) {
      await (ageMs > leaseMs ? drop(url, receipt) : show(url, receipt));
      return;
    }
    try {
      const { QueueUrl } = await ask((client, options) =>
        client.send(new GetQueueUrlCommand({ QueueName: home }), options),
      );
      const past = pastOf(message);
      const history = [...past.history, deathOf(leaseOf(message), now())];
      const copy = copyOf(message, { ...past, history });
      await ask((client, options) => client.send(new SendMessageCommand({ QueueUrl, ...copy }), options));
    } catch (error) {
      // With its queue the message was deleted as well.
      if (faultOf(error) !== 'queue-gone') throw error;
    }
    await drop(url, receipt);
  };

  const removeUnused = async (name: string, url: string): Promise<void> => {
    const since = emptySince.get(name) ?? now();
    emptySince.set(name, since);
    if (now() - since < 2 * idleMs) return;
    const { Attributes = {} } = await ask((client, options) =>
      client.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['All'] }), options),
    );
    const counts = [
      Attributes.ApproximateNumberOfMessages,
      Attributes.ApproximateNumberOfMessagesNotVisible,
      Attributes.ApproximateNumberOfMessagesDelayed,
    ];
    emptySince.delete(name);
    if (!counts.every(count => count === '0')) return;
    await ask((client, options) => client.send(new DeleteQueueCommand({ QueueUrl: url }), options));
  };

  const isOwn = (name: string) => name === own.name;

  const look = async (name: string): Promise<void> => {
    const url = queues().get(name);
    if (url === undefined) return;
    const { Messages = [] } = await ask((client, options) =>
      client.send(
        new ReceiveMessageCommand({
          QueueUrl: url,
          MaxNumberOfMessages: 10,
          // What this runner has just put into its own is for its lease to take.
          WaitTimeSeconds: isOwn(name) ? 0 : 1,
          VisibilityTimeout: Math.ceil(leaseMs / 1000),
          MessageAttributeNames: ['All'],
          MessageSystemAttributeNames: ['ApproximateReceiveCount', 'SentTimestamp'],
        }),
        options,
      ),
    );
    if (Messages.length === 0) {
      if (!isOwn(name)) await removeUnused(name, url);
      return;
    }
    emptySince.delete(name);
    for (const message of Messages) await bringHome(url, message, isOwn(name));
  };

  return reapInTurn({
    queues: () => {
      for (const name of emptySince.keys()) if (!queues().has(name)) emptySince.delete(name);
      return [...queues().keys()];
    },
    isOwn,
    leaseMs,
    look,
    faultOf,
    account,
    closing,
    emit,
  });
};
