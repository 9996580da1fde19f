import type { MessageProperties, Options } from 'amqplib';

/** Headers that the runner writes. */
export const headerNames = {
  attempt: 'studioml-attempt',
  history: 'studioml-history',
  unplacedSince: 'studioml-unplaced-since',
  buriedAt: 'studioml-buried-at',
  reason: 'studioml-reason',
  message: 'studioml-message',
  queue: 'studioml-queue',
  /** The runner that holds the lease: lease queues are bound by it. */
  lease: 'studioml-lease',
  leaseId: 'studioml-lease-id',
  /** Counts the copies of one lease. */
  leaseTurn: 'studioml-lease-turn',
  /** What a copy in a lease must not show the broker. */
  original: 'studioml-original',
} as const;

export type Headers = Readonly<Record<string, unknown>>;

/** Only a copy that came home by its lease has them. */
const leaseOnly: ReadonlySet<string> = new Set([
  headerNames.lease,
  headerNames.leaseId,
  headerNames.leaseTurn,
  headerNames.original,
  headerNames.reason,
  headerNames.message,
  headerNames.queue,
]);

/**
 * Headers that the broker acts on: further receivers (CC), and the way of dead letters, by which it finds cycles: a copy that
 * expires in a queue which its x-death names already would be dropped without a word.
 */
const isBrokers = (name: string): boolean => /^(CC|BCC|x-death|x-(first|last)-death-\w+)$/.test(name);

/** What a quorum queue says of the message itself: of a copy it would be wrong. Source: RabbitMQ, "Quorum Queues", poison messages. */
const counts: ReadonlySet<string> = new Set(['x-delivery-count', 'x-acquired-count']);

const entriesOf = (headers: Headers | undefined): [string, unknown][] =>
  Object.entries(headers ?? {}).filter(([name]) => !counts.has(name));

/** How often a quorum queue counted that the message came back; 0 on queues that don't count. */
export const returnsOf = ({ headers }: MessageProperties): number => {
  const count = Number(headers?.['x-delivery-count'] ?? 0);
  return Number.isFinite(count) ? count : 0;
};

/** The headers of a copy for a lease: what the broker acts on is put aside. `expiration`: see `publishOptions`. */
export const leasedHeaders = (headers: Headers, expiration: unknown, added: Headers): Headers => {
  const aside = Object.fromEntries(entriesOf(headers).filter(([name]) => isBrokers(name)));
  if (typeof expiration === 'string') aside['expiration'] = expiration;
  return {
    ...Object.fromEntries(entriesOf(headers).filter(([name]) => !isBrokers(name))),
    ...(Object.keys(aside).length > 0 ? { [headerNames.original]: aside } : {}),
    ...added,
  };
};

/** The headers as the client or the last settlement left them, whether the message came home by its lease or not. */
export const originalHeaders = (headers: Headers | undefined): Headers => {
  if (!headers || !(headerNames.leaseId in headers)) return Object.fromEntries(entriesOf(headers));
  const { expiration: _, ...aside } = (headers[headerNames.original] ?? {}) as Headers;
  const own = entriesOf(headers).filter(([name]) => !leaseOnly.has(name) && !isBrokers(name));
  return { ...Object.fromEntries(own), ...aside };
};

/** The time to live that the client gave the message, put aside while it was leased. */
export const originalExpiration = ({ headers, expiration }: MessageProperties): string | undefined => {
  const aside = (headers?.[headerNames.original] ?? {}) as Headers;
  const kept: unknown = expiration ?? aside['expiration'];
  return typeof kept === 'string' ? kept : undefined;
};

const carried = [
  'contentType',
  'contentEncoding',
  'priority',
  'correlationId',
  'replyTo',
  'messageId',
  'timestamp',
  'type',
  'appId',
] as const;

/**
 * How a copy of a message is published: with its properties, on disk. `userId` is left out, since the broker takes a user's own
 * name only, and `expiration` unless it is given: a copy in a lease lives as long as its queue says.
 */
export const publishOptions = (
  properties: MessageProperties,
  headers: Headers,
  expiration?: string,
): Options.Publish => ({
  ...Object.fromEntries(carried.flatMap(name => (properties[name] === undefined ? [] : [[name, properties[name]]]))),
  persistent: true,
  mandatory: true,
  headers: { ...headers },
  ...(expiration === undefined ? {} : { expiration }),
});
