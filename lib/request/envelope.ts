import { AttemptError } from '../errors.ts';
import type { Envelope, Message } from '../model/envelope.ts';
import { Faults, Field } from './field.ts';
import { defaultMaxMessageBytes, isJsonObject, parseJsonBody, type JsonObject } from './json-body.ts';
import { readResources } from './resources.ts';
import { withoutUndefined } from './without-undefined.ts';

const optionalText = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

const readEnvelope = (sealed: JsonObject, payload: string): Envelope => {
  // The clear members are advice: what is wrong with them is nobody's fault.
  const message = new Field(sealed, 'message', new Faults());
  const clear = {
    status: message.member('experiment').member('status').text(),
    pythonVersion: message.member('experiment').member('pythonver').label(),
    timeAddedSeconds: message.member('time_added').amount(),
    lifetimeMs: message.member('experiment_lifetime').duration(),
    resources: readResources(message.member('resources_needed')),
  };
  return withoutUndefined({
    payload,
    fingerprint: optionalText(sealed['fingerprint']),
    signature: optionalText(sealed['signature']),
    clear: withoutUndefined(clear),
  });
};

const kindOf = (value: unknown): string => {
  if (Array.isArray(value)) return 'a list';
  return value === null ? 'null' : `a ${typeof value}`;
};

/**
 * Read a message: the one time that its JSON is parsed. A sealed one has `message.payload`; its clear members are read
 * leniently. What was sealed is read by this function again, and has to come out as `clear`.
 *
 * Errors: AttemptError `too-large`, `malformed`, `not-a-request`.
 * Source: spec "Encrypted request".
 */
export const readMessage = (body: Buffer, maxBytes: number = defaultMaxMessageBytes): Message => {
  const value = parseJsonBody(body, maxBytes);
  if (!isJsonObject(value)) {
    const found = `the message is ${kindOf(value)}`;
    throw new AttemptError('not-a-request', `not a request: ${found}; expected an object with experiment and config`);
  }
  const sealed = value['message'];
  if (!isJsonObject(sealed)) return { type: 'clear', value };
  const payload = sealed['payload'] ?? undefined;
  if (payload === undefined) return { type: 'clear', value };
  if (typeof payload === 'string') return { type: 'envelope', envelope: readEnvelope(sealed, payload) };
  throw new AttemptError('not-a-request', `not a request: message.payload: ${kindOf(payload)}; expected a string`);
};
