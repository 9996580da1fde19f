import type { protos } from '@google-cloud/pubsub';
import type { Clients } from './clients.ts';
import { codeOf, deadlineExceeded } from './faults.ts';

export type Received = protos.google.pubsub.v1.IReceivedMessage;
export type Subscription = protos.google.pubsub.v1.ISubscription;

interface Options {
  readonly abortSignal: AbortSignal;
}

/** No tries of the library's own: the account tries again, and tells. */
const once = { retry: { retryCodes: [] } };

/** A call of the library as one that ends with its signal. */
const ended = async <T>(call: Promise<T>, { abortSignal }: Options): Promise<T> => {
  const cancel = () => {
    (call as Promise<T> & { cancel?: () => void }).cancel?.();
  };
  if (abortSignal.aborted) cancel();
  else abortSignal.addEventListener('abort', cancel, { once: true });
  try {
    return await call;
  } finally {
    abortSignal.removeEventListener('abort', cancel);
  }
};

export interface Outgoing {
  readonly data: Buffer;
  readonly attributes: Record<string, string>;
  readonly orderingKey?: string;
}

/**
 * Take at most `maxMessages`; with `waitMs` 0 what there is right now. A wait that is over is no error.
 * A pull with a deadline rather than a stream: a stream brings messages as it likes, one is held for each queue at least.
 */
export const pull = async (
  { subscriber }: Clients,
  options: Options,
  { subscription, maxMessages, waitMs }: { subscription: string; maxMessages: number; waitMs: number },
): Promise<readonly Received[]> => {
  try {
    const request = { subscription, maxMessages, ...(waitMs === 0 ? { returnImmediately: true } : {}) };
    const timeout = waitMs === 0 ? 15_000 : waitMs;
    const [{ receivedMessages }] = await ended(subscriber.pull(request, { ...once, timeout }), options);
    return receivedMessages ?? [];
  } catch (error) {
    if (waitMs > 0 && codeOf(error) === deadlineExceeded && !options.abortSignal.aborted) return [];
    throw error;
  }
};

export const acknowledge = ({ subscriber }: Clients, options: Options, subscription: string, ackId: string) =>
  ended(subscriber.acknowledge({ subscription, ackIds: [ackId] }, once), options);

/** Keep a message for so long from now on; 0 gives it back. */
export const keep = ({ subscriber }: Clients, options: Options, subscription: string, ackId: string, seconds: number) =>
  ended(subscriber.modifyAckDeadline({ subscription, ackIds: [ackId], ackDeadlineSeconds: seconds }, once), options);

export const publish = ({ publisher }: Clients, options: Options, topic: string, message: Outgoing) =>
  ended(publisher.publish({ topic, messages: [message] }, once), options);

/** A topic and a subscription of one name, as the client makes them; they may be there already. */
export const createPair = async (clients: Clients, options: Options, name: string): Promise<void> => {
  const topic = `projects/${clients.project}/topics/${name}`;
  const subscription = `projects/${clients.project}/subscriptions/${name}`;
  const unlessThere = (error: unknown) => {
    if (codeOf(error) !== 6) throw error;
  };
  await ended(clients.publisher.createTopic({ name: topic }, once), options).catch(unlessThere);
  const retention = { messageRetentionDuration: { seconds: 7 * 86_400 }, expirationPolicy: {} };
  await ended(
    clients.subscriber.createSubscription({ name: subscription, topic, ackDeadlineSeconds: 60, ...retention }, once),
    options,
  ).catch(unlessThere);
};

export const removePair = async (clients: Clients, options: Options, name: string): Promise<void> => {
  const subscription = `projects/${clients.project}/subscriptions/${name}`;
  await ended(clients.subscriber.deleteSubscription({ subscription }, once), options);
  await ended(clients.publisher.deleteTopic({ topic: `projects/${clients.project}/topics/${name}` }, once), options);
};

/** Every subscription of the project, page by page. */
export const listSubscriptions = async (
  { subscriber, project }: Clients,
  options: Options,
  pageSize = 1000,
): Promise<readonly Subscription[]> => {
  const all: Subscription[] = [];
  let pageToken: string | undefined;
  do {
    const request = { project: `projects/${project}`, pageSize, ...(pageToken ? { pageToken } : {}) };
    const [page, , response] = await ended(
      subscriber.listSubscriptions(request, { ...once, autoPaginate: false }),
      options,
    );
    all.push(...page);
    pageToken = response?.nextPageToken ?? undefined;
  } while (pageToken);
  return all;
};
