import type { Message, MessageAttributeValue } from '@aws-sdk/client-sqs';
import type { HistoryEntry } from '../../model/outcome.ts';
import { attributeNames } from '../attribute-names.ts';
import { readPast, type Past } from '../history.ts';

type Attributes = Readonly<Record<string, MessageAttributeValue>>;

const maxAttributes = 10;
/** The smallest limit of a message with its attributes that is in use; a body that is larger has shown that it may be. */
const messageBytes = 256 * 1024;
/** What the attributes beside the history take at most. */
const otherBytes = 4096;

/** What SQS refuses in an attribute: `#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF` is allowed. */

const refused = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu;

export const stringAttribute = (value: string): MessageAttributeValue => ({
  DataType: 'String',
  StringValue: value.replace(refused, '?').slice(0, 1024) || '-',
});

const numberAttribute = (value: number): MessageAttributeValue => ({ DataType: 'Number', StringValue: String(value) });

const valueOf = (message: Message, name: string): string | undefined => message.MessageAttributes?.[name]?.StringValue;

export const pastOf = (message: Message): Past =>
  readPast({
    attempts: valueOf(message, attributeNames.attempt),
    history: valueOf(message, attributeNames.history),
    unplacedSinceMs: valueOf(message, attributeNames.unplacedSince),
    buriedAtMs: valueOf(message, attributeNames.buriedAt),
  });

/** When SQS got it, ms since the epoch. */
export const sentAtMs = ({ Attributes }: Message): number | undefined => {
  const ms = Number(Attributes?.SentTimestamp);
  return Number.isFinite(ms) ? ms : undefined;
};

export const leaseOf = (message: Message): string | undefined => valueOf(message, attributeNames.lease);
export const queueOf = (message: Message): string | undefined => valueOf(message, attributeNames.queue);

/** As many of the newest entries as there is room for. */
const historyText = (history: readonly HistoryEntry[], room: number): string => {
  for (let from = 0; from < history.length; from++) {
    const text = JSON.stringify(history.slice(from)).replace(refused, '?');
    if (Buffer.byteLength(text) <= room) return text;
  }
  return '[]';
};

export interface CopyInput {
  readonly MessageBody: string;
  readonly MessageAttributes: Record<string, MessageAttributeValue>;
}

/** The message once more, with this past and these attributes; of its sender's own attributes, as many as SQS has room for. */
export const copyOf = (message: Message, past: Past, added: Attributes = {}): CopyInput => {
  const body = message.Body ?? '';
  const bodyBytes = Buffer.byteLength(body);
  const room = Math.max(messageBytes - bodyBytes - otherBytes, otherBytes);
  const ours: Record<string, MessageAttributeValue> = { ...added };
  if (past.attempts > 0) ours[attributeNames.attempt] = numberAttribute(past.attempts);
  if (past.unplacedSinceMs !== undefined) ours[attributeNames.unplacedSince] = numberAttribute(past.unplacedSinceMs);
  if (past.buriedAtMs !== undefined) ours[attributeNames.buriedAt] = numberAttribute(past.buriedAtMs);
  if (past.history.length > 0) {
    ours[attributeNames.history] = { DataType: 'String', StringValue: historyText(past.history, room) };
  }
  const own: readonly string[] = Object.values(attributeNames);
  const theirs = Object.entries(message.MessageAttributes ?? {})
    .filter(([name]) => !own.includes(name))
    .slice(0, maxAttributes - Object.keys(ours).length)
    .map(([name, { DataType, StringValue, BinaryValue }]): [string, MessageAttributeValue] => [
      name,
      { DataType, ...(BinaryValue === undefined ? { StringValue } : { BinaryValue }) },
    ]);
  return { MessageBody: body, MessageAttributes: { ...Object.fromEntries(theirs), ...ours } };
};
