import type { JsonObject } from './json-body.ts';
import { holdsSecret, looksSecret, namesIn, type Names } from './secrets.ts';

const removed = '[removed]';
const signature = /^(?:sig|.*signature)$/i;

// Each of these takes time in proportion to the text, whatever stands in it: bodies come from strangers.
const brokerUrl = /^(amqps?:\/\/)\S*@/i;
const userInfo = /:\/\/[^\s/?#@]*(?:@[^\s/?#@]*)*@/g;
const queryMember = /([?&]([^?&=#\s]+)=)[^&#\s]*/g;
const slackHook = /https:\/\/hooks\.slack\.com\/\S*/gi;

/**
 * A text with the secrets of the URLs in it taken out: user and password, signed or secret query members, Slack hooks.
 */
export const withoutUrlSecrets = (text: string): string => {
  if (!text.includes('://')) return text;
  return text
    .replace(brokerUrl, '$1') // a broker's password may hold a slash that nobody encoded
    .replace(userInfo, '://')
    .replace(slackHook, removed)
    .replace(queryMember, (whole, start: string, name: string) =>
      looksSecret(name) || signature.test(name) ? start + removed : whole,
    );
};

const clean = (value: unknown, names: Names): unknown => {
  if (typeof value === 'string') return withoutUrlSecrets(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(item => clean(item, 'members'));
  const kept: [string, unknown][] = [];
  for (const [name, member] of Object.entries(value)) {
    if (holdsSecret(name, names)) continue;
    kept.push([name, clean(member, namesIn(name, names))]);
  }
  // fromEntries defines members: one that is named __proto__ stays a plain member.
  return Object.fromEntries(kept);
};

/**
 * A deep copy of a request, fit to be stored: without credentials wherever they stand, other members whose names look secret
 * (config.env's too), Slack hooks, and passwords and signatures inside URLs such as config.cloud.queue.rmq. Labels of artifacts
 * are names that users chose and stay.
 *
 * @param raw what readMessage gave: its nesting is bounded
 */
export const withoutCredentials = (raw: JsonObject): JsonObject => clean(raw, 'members') as JsonObject;
