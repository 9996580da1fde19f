import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type Message,
} from '@aws-sdk/client-sqs';
import { createLimit } from '../../flow/limit.ts';
import type { DeadLetter, DeadLetters } from '../dead-letters.ts';
import { createNames } from '../names.ts';
import { visitHeld, type HeldLetters } from '../visit-held.ts';
import { createSqsAccount, type SqsAccount } from './account.ts';
import { attributeNames } from '../attribute-names.ts';
import { copyOf, pastOf, queueOf, sentAtMs } from './copies.ts';
import type { Accounts } from './credentials.ts';
import { createDeadLetters, deadSuffix } from './dead-letters.ts';
import { listQueues } from './discovery.ts';
import { faultOf } from './faults.ts';

export interface SqsDeadLettersSettings {
  readonly accounts: Accounts;
  /** Of one call, ms. */
  readonly timeoutMs: number;
  readonly now?: () => number;
}

/** What is looked at is hidden from others for so long, seconds. Who dies in the middle of a look keeps it hidden so long. */
const hiddenSeconds = 120;
const largestBatch = 10;
/** Queues that are asked at once for their policy. */
const asking = 16;

const attribute = (message: Message, name: string): string | undefined =>
  message.MessageAttributes?.[name]?.StringValue;

/** The queue that SQS itself took a message out of: the last part of an ARN. */
const movedFrom = (message: Message): string | undefined =>
  (message.Attributes as Readonly<Record<string, string>> | undefined)?.['DeadLetterQueueSourceArn']?.split(':').at(-1);

/** A message that lies in a dead-letter queue. @param name of its queue among the runner's */
const letterOf = (message: Message, name: string, place: string): DeadLetter => {
  const { history } = pastOf(message);
  const saidAtMs = Date.parse(history.at(-1)?.at ?? '');
  return {
    kind: 'sqs',
    queue: name,
    place,
    id: message.MessageId ?? '',
    reason: attribute(message, attributeNames.reason) ?? (movedFrom(message) ? 'maxReceiveCount' : 'unknown'),
    message:
      attribute(message, attributeNames.message) ??
      "moved by the queue's own redrive policy; the runner's event `settled` says why",
    history,
    atMs: [saidAtMs, sentAtMs(message)].find(ms => Number.isFinite(ms)),
    body: Buffer.from(message.Body ?? ''),
  };
};

/**
 * Dead letters of SQS: those in `<queue>_dead`, and those where a queue's own redrive policy leads. A look takes every message of
 * such a queue and shows it again; SQS hides what one operator looks at from the other.
 */
export const sqsDeadLetters = (settings: SqsDeadLettersSettings): DeadLetters => {
  const { accounts: found, timeoutMs, now = Date.now } = settings;
  if (found.accounts.length === 0) throw new Error(`no account can be used: ${found.faults.join('; ')}`);
  const accounts = new Map<string, SqsAccount>();
  for (const { label, createClient } of found.accounts) {
    accounts.set(label, createSqsAccount({ label, client: createClient(), timeoutMs, emit: () => undefined }));
  }
  const names = createNames();
  /** Work queues, and queues of dead letters, by account and name. */
  const urls = new Map<string, string>();
  const limited = createLimit(asking);

  /** Find what there is. A queue that was deleted may have left its dead letters. */
  const look = async (signal: AbortSignal): Promise<void> => {
    const queues: [string, string][] = [];
    for (const [label, account] of accounts) {
      const { work, dead } = await listQueues(account, signal);
      for (const [name, url] of [...work, ...dead]) urls.set(`${label}/${name}`, url);
      const left = [...dead.keys()].map(name => name.slice(0, -deadSuffix.length));
      queues.push(...[...new Set([...work.keys(), ...left])].sort().map((home): [string, string] => [label, home]));
    }
    names.assign(queues);
  };
  const placed = async (name: string, signal: AbortSignal) => {
    if (!names.find(name)) await look(signal);
    const [label = '', home = ''] = names.find(name) ?? [];
    const account = accounts.get(label);
    return (
      account && { account, home, url: urls.get(`${label}/${home}`), dead: urls.get(`${label}/${home}${deadSuffix}`) }
    );
  };
  const hasPolicy = async (name: string, signal: AbortSignal): Promise<boolean> => {
    const at = await placed(name, signal);
    if (!at?.url) return false;
    const asked = new GetQueueAttributesCommand({ QueueUrl: at.url, AttributeNames: ['RedrivePolicy'] });
    const { Attributes } = await at.account.call((client, options) => client.send(asked, options), { signal });
    return Attributes?.['RedrivePolicy'] !== undefined;
  };

  const heldIn = (
    place: string,
    name: string,
    { account, home, url }: { account: SqsAccount; home: string; url: string | undefined },
  ): HeldLetters<Message> => {
    const hide = (message: Message, seconds: number, signal: AbortSignal) =>
      account.call(
        (client, options) =>
          client.send(
            new ChangeMessageVisibilityCommand({
              QueueUrl: place,
              ReceiptHandle: message.ReceiptHandle,
              VisibilityTimeout: seconds,
            }),
            options,
          ),
        { signal },
      );
    return {
      take: async signal => {
        const { Messages = [] } = await account.call(
          (client, options) =>
            client.send(
              new ReceiveMessageCommand({
                QueueUrl: place,
                MaxNumberOfMessages: largestBatch,
                VisibilityTimeout: hiddenSeconds,
                MessageAttributeNames: ['All'],
                MessageSystemAttributeNames: ['All'],
              }),
              options,
            ),
          { signal },
        );
        return Messages;
      },
      idOf: message => message.MessageId ?? '',
      letterOf: message =>
        [home, undefined].includes(queueOf(message) ?? movedFrom(message)) ? letterOf(message, name, place) : undefined,
      keepHidden: async (message, signal) => {
        await hide(message, hiddenSeconds, signal).catch((error: unknown) => {
          throw faultOf(error) === 'receipt-gone'
            ? new Error(`another operator took it [id=${message.MessageId ?? ''}]`, { cause: error })
            : error;
        });
      },
      sendHome: async (message, past, signal) => {
        if (url === undefined) throw new Error(`the queue is gone; the dead letter stays [queue=${name}]`);
        const copy = new SendMessageCommand({ QueueUrl: url, ...copyOf(message, past) });
        await account.call((client, options) => client.send(copy, options), { signal });
      },
      remove: async (message, signal) => {
        const gone = new DeleteMessageCommand({ QueueUrl: place, ReceiptHandle: message.ReceiptHandle });
        await account.call((client, options) => client.send(gone, options), { signal });
      },
      giveBack: async message => {
        await hide(message, 0, AbortSignal.timeout(timeoutMs));
      },
    };
  };

  return {
    kind: 'sqs',
    queues: async signal => {
      await look(signal);
      const all = [...names.all()];
      const isMeant = await Promise.all(
        all.map(
          async name =>
            (await placed(name, signal))?.dead !== undefined || (await limited(() => hasPolicy(name, signal))),
        ),
      );
      return all.filter((_, index) => isMeant[index]).sort();
    },
    visit: async (name, judge, signal) => {
      const at = await placed(name, signal);
      if (!at) return;
      const places = new Set(at.dead === undefined ? [] : [at.dead]);
      if (at.url !== undefined) {
        const letters = createDeadLetters(at.account, at.home, at.url, now);
        if (await letters.policy(signal)) places.add(await letters.target(signal));
      }
      for (const place of places) await visitHeld(heldIn(place, name, at), judge, signal);
    },
    close: () => {
      for (const account of accounts.values()) account.close();
      return Promise.resolve();
    },
  };
};
