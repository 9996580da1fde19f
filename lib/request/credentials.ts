import type { Credentials } from '../model/experiment.ts';
import type { Field } from './field.ts';
import { withoutUndefined } from './without-undefined.ts';

const anonymous: Credentials = { type: 'anonymous' };

/** Two texts that only make sense together: both, or neither (`undefined`; `''` where at least one is there and empty). */
const pair = (first: Field, second: Field): readonly [string, string] | '' | undefined => {
  const [one, other] = [first.text(), second.text()];
  if (one !== undefined && other !== undefined) return [one, other];
  if (one === undefined && other === undefined) return first.value === '' || second.value === '' ? '' : undefined;
  const lacking = one === undefined ? first : second;
  // Of a wrong type: that is said already.
  if (lacking.absent || lacking.value === '') lacking.missing('a string, or both empty for anonymous access');
  return undefined;
};

const aws = (field: Field): Credentials | undefined => {
  field.object();
  const older = field.member('secret_key');
  const secret = field.member('secret_access_key');
  const keys = pair(field.member('access_key'), secret.absent && !older.absent ? older : secret);
  const region = field.member('region').text();
  const sessionToken = field.member('session_token').text();
  if (keys === '') return anonymous;
  if (keys === undefined) return undefined;
  return { type: 'aws', accessKey: keys[0], secretAccessKey: keys[1], ...withoutUndefined({ region, sessionToken }) };
};

const plain = (field: Field): Credentials | undefined => {
  field.object();
  const given = pair(field.member('user'), field.member('password'));
  if (given === '') return anonymous;
  return given && { type: 'plain', user: given[0], password: given[1] };
};

const jwt = (field: Field): Credentials | undefined => {
  field.object();
  const token = field.member('token');
  const text = token.text();
  if (text !== undefined) return { type: 'jwt', token: text };
  return token.value === '' ? anonymous : undefined;
};

/**
 * The credentials of an artifact or a store: the first kind that says something, of aws, jwt, plain. Undefined where there are
 * none. Empty texts mean anonymous access. Source: spec "Clear-text request", credentials.
 */
export const readCredentials = (field: Field): Credentials | undefined => {
  field.object('an object with aws, jwt or plain');
  return aws(field.member('aws')) ?? jwt(field.member('jwt')) ?? plain(field.member('plain'));
};
