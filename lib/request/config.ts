import type { StoreConfig } from '../model/experiment.ts';
import { readCredentials } from './credentials.ts';
import { parseDuration } from './durations.ts';
import type { Field } from './field.ts';
import { withoutUndefined } from './without-undefined.ts';

/** A store named in the config. Undefined where there is none. */
export const readStore = (field: Field): StoreConfig | undefined => {
  if (field.object() === undefined) return undefined;
  return withoutUndefined({
    type: field.member('type').text(),
    endpoint: field.member('endpoint').text(),
    bucket: field.member('bucket').text(),
    projectId: field.member('projectId').text(),
    credentials: readCredentials(field.member('credentials')),
  });
};

/** A value of config.env: a text, or what the Python client makes of a number or a boolean. */
const variable = (field: Field): string => {
  if (field.value === true) return 'True';
  if (field.value === false) return 'False';
  return typeof field.value === 'number' ? String(field.value) : (field.argument() ?? '');
};

/** config.env: the experiment's variables, as sent. Those with null are left out. */
export const readEnv = (field: Field): Readonly<Record<string, string>> =>
  // fromEntries defines members: a variable named __proto__ stays a plain one.
  Object.fromEntries(
    field.members().map(([name, member]) => {
      if (!/^[^=\0]+$/.test(name)) member.wrong('its name is not a name of a variable', 'one without "=" and NUL');
      return [name, variable(member)];
    }),
  );

/** Milliseconds; undefined where it is absent or no duration: then checkpoints are made at the end only. */
export const readSaveFrequency = (field: Field): number | undefined =>
  typeof field.value === 'string' ? parseDuration(field.value) : undefined;
