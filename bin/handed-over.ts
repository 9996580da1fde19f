import { closeSync, readFileSync } from 'node:fs';

/** Ends a record; bin/runner writes the same. */
const end = '\u0001\u0002';
const variable = 'STUDIOML_HANDED_OVER';

/** The launcher's records: a variable `NAME=value`, an argument `=argument`. The pipe is read once, to its end. */
const readRecords = (): readonly (readonly [name: string, value: string])[] => {
  const fd = process.env[variable];
  Reflect.deleteProperty(process.env, variable);
  if (fd === undefined) return [];
  const text = readFileSync(Number(fd), 'utf8');
  closeSync(Number(fd));
  return text
    .split(end)
    .slice(0, -1)
    .map(record => [record.slice(0, record.indexOf('=')), record.slice(record.indexOf('=') + 1)]);
};

/**
 * The command line as it was given, once the launcher's secrets are back in `process.env`. They are not in the environment that
 * this process was started with: /proc shows that one to experiments of the same user, whatever is deleted later.
 */
export const commandLine = (): readonly string[] => {
  const records = readRecords();
  for (const [name, value] of records) if (name !== '') process.env[name] = value;
  const given = records.filter(([name]) => name === '').map(([, argument]) => argument);
  return given.length > 0 ? given : process.argv.slice(2);
};
