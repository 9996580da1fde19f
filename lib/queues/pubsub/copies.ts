import type { HistoryEntry } from '../../model/outcome.ts';
import { attributeNames } from '../attribute-names.ts';
import { readPast, type Past } from '../history.ts';
import type { Outgoing, Received } from './calls.ts';

/** Of one value. Source: Pub/Sub quotas. */
const valueBytes = 1024;
/** A history takes so many attributes at most. */
const historyParts = 40;

/** In ASCII, so that it can be cut anywhere. */
const asciiOf = (text: string): string =>
  text.replace(/[\u0080-\uffff]/g, letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);

const partName = (part: number): string =>
  part === 0 ? attributeNames.history : `${attributeNames.history}-${String(part)}`;

/** As many of the newest entries as there is room for, in as many attributes as that takes. */
export const historyAttributes = (history: readonly HistoryEntry[]): Record<string, string> => {
  const parts: Record<string, string> = {};
  for (let from = 0; from < history.length; from++) {
    const text = asciiOf(JSON.stringify(history.slice(from)));
    if (text.length > valueBytes * historyParts) continue;
    for (let at = 0; at < text.length; at += valueBytes) {
      parts[partName(at / valueBytes)] = text.slice(at, at + valueBytes);
    }
    break;
  }
  return parts;
};

/** What a value may hold of a text. */
export const short = (text: string): string => {
  const letters = [...text];
  while (Buffer.byteLength(letters.join('')) > valueBytes) letters.length = Math.floor(letters.length * 0.9);
  return letters.join('') || '-';
};

export const attributesOf = ({ message }: Received): Readonly<Record<string, string>> => message?.attributes ?? {};

export const pastOf = (received: Received): Past => {
  const attributes = attributesOf(received);
  let text = '';
  for (let part = 0; attributes[partName(part)] !== undefined; part++) text += attributes[partName(part)] ?? '';
  return readPast({
    attempts: attributes[attributeNames.attempt],
    history: text,
    unplacedSinceMs: attributes[attributeNames.unplacedSince],
    buriedAtMs: attributes[attributeNames.buriedAt],
  });
};

/** When Pub/Sub got it, ms since the epoch; undefined where it doesn't say. */
export const publishedAtMs = ({ message }: Received): number | undefined => {
  const seconds = message?.publishTime?.seconds ?? undefined;
  return seconds === undefined ? undefined : Number(seconds) * 1000;
};

const ours = /^studioml-(attempt|history|unplaced-since|buried-at|reason|message|queue|lease)/;

/** The message once more, with this past and these attributes. */
export const copyOf = (received: Received, past: Past, added: Readonly<Record<string, string>> = {}): Outgoing => {
  const theirs = Object.entries(attributesOf(received)).filter(([name]) => !ours.test(name));
  const orderingKey = received.message?.orderingKey;
  return {
    data: Buffer.from((received.message?.data ?? '') as Uint8Array),
    attributes: {
      ...Object.fromEntries(theirs),
      ...historyAttributes(past.history),
      ...(past.attempts > 0 ? { [attributeNames.attempt]: String(past.attempts) } : {}),
      ...(past.unplacedSinceMs === undefined ? {} : { [attributeNames.unplacedSince]: String(past.unplacedSinceMs) }),
      ...(past.buriedAtMs === undefined ? {} : { [attributeNames.buriedAt]: String(past.buriedAtMs) }),
      ...added,
    },
    ...(orderingKey ? { orderingKey } : {}),
  };
};
