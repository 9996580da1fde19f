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
import { messageOf } from '../../errors.ts';
import { sleep } from '../../flow/wait.ts';
import type { HistoryEntry } from '../../model/outcome.ts';
import type { Emit } from '../../telemetry/events.ts';
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

/** How many runners look at one lease queue between two looks of one runner, about: enough that it is never forgotten. */
const looksEach = 4;

/**
 * Bring home what runners that died had begun, and what this one could not keep: it may be the only one. A runner that lives keeps its copies hidden; what is visible in its lease queue
 * has lapsed. A copy that is received for the first time was never held: its original was not deleted and comes home by
 * itself, so that copy is left to its runner, and dropped when it is older than a lease.
 */
export const createReaper = (settings: ReaperSettings): { close(): Promise<void> } => {
  const { account, queues, own, leaseMs, emit, now } = settings;
  const closing = new AbortController();
  const { signal } = closing;
  /** Since when a lease queue was found empty at each look. */
  const emptySince = new Map<string, number>();
  const ask = <T>(work: SqsCall<T>) => account.call(work, { signal });

  const drop = (QueueUrl: string, ReceiptHandle: string) =>
    ask((client, options) => client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }), options));

  const show = (QueueUrl: string, ReceiptHandle: string) =>
    ask((client, options) =>
      client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }), options),
    );

  const bringHome = async (url: string, message: Message, isOwn: boolean): Promise<void> => {
    const receipt = message.ReceiptHandle ?? '';
    const home = queueOf(message);
    const claim = isOwn ? own.claimOf(leaseOf(message) ?? '') : 'lapsed';
    if (claim !== 'lapsed') {
      await (claim === 'awaited' ? show(url, receipt) : drop(url, receipt));
      return;
    }
    const ageMs = now() - Number(message.Attributes?.SentTimestamp);
    // One that is younger than it is hidden can't have lapsed: its runner is about to take it, or an earlier look here was in its way.
    if (Number(message.Attributes?.ApproximateReceiveCount) <= 1 || ageMs < leaseMs / 2) {
      await (ageMs > leaseMs ? drop(url, receipt) : show(url, receipt));
      return;
    }
    try {
      const { QueueUrl } = await ask((client, options) =>
        client.send(new GetQueueUrlCommand({ QueueName: home }), options),
      );
      const { attempts, history } = pastOf(message);
      const entry: HistoryEntry = {
        cause: 'runner-died',
        host: leaseOf(message)?.split('/')[0] ?? '',
        at: new Date(now()).toISOString(),
        message: 'its runner was not heard of any more',
      };
      const copy = copyOf(message, { attempts, history: [...history, entry] });
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

  const look = async (name: string, url: string, isOwn: boolean): Promise<void> => {
    const { Messages = [] } = await ask((client, options) =>
      client.send(
        new ReceiveMessageCommand({
          QueueUrl: url,
          MaxNumberOfMessages: 10,
          // What this runner has just put into its own is for its lease to take.
          WaitTimeSeconds: isOwn ? 0 : 1,
          VisibilityTimeout: Math.ceil(leaseMs / 1000),
          MessageAttributeNames: ['All'],
          MessageSystemAttributeNames: ['ApproximateReceiveCount', 'SentTimestamp'],
        }),
        options,
      ),
    );
    if (Messages.length === 0) {
      if (!isOwn) await removeUnused(name, url);
      return;
    }
    emptySince.delete(name);
    for (const message of Messages) await bringHome(url, message, isOwn);
  };

  const loop = async () => {
    while (!signal.aborted) {
      await sleep(leaseMs / 3, signal).catch(() => undefined);
      const all = [...queues()];
      for (const name of emptySince.keys()) if (!queues().has(name)) emptySince.delete(name);
      for (const [name, url] of all) {
        if (signal.aborted || account.retired) break;
        const isOwn = name === own.name;
        if (!isOwn && Math.random() > looksEach / all.length) continue;
        await look(name, url, isOwn).catch((error: unknown) => {
          if (signal.aborted || faultOf(error) === 'queue-gone') return;
          const words = `a message that lapsed could not be brought home: ${messageOf(error)}`;
          emit('queue-fault', { error: words, retryMs: leaseMs / 3 }, { queue: name });
        });
      }
    }
  };
  const looping = loop();
  return {
    close: () => {
      closing.abort(new Error('the runner lets go of its queues'));
      return looping;
    },
  };
};
