import { resolve } from 'node:path';
import { messageOf } from '../errors.ts';
import { durationExamples, parseDuration } from '../request/durations.ts';
import { parseSize, sizeExamples } from '../request/sizes.ts';
import { compileGoPattern } from './go-pattern.ts';
import type { OptionRow, OptionType, OptionValues } from './option-rows.ts';

/** A checked value, or in words what was expected instead. */
export type Parsed<T = OptionValues[OptionType]> = { readonly value: T } | { readonly expected: string };

const split = (text: string, separator: string | RegExp): string[] =>
  text
    .split(separator)
    .map(part => part.trim())
    .filter(part => part !== '');

const parseBoolean = (text: string): boolean | undefined => {
  if (/^(true|1)$/i.test(text)) return true;
  return /^(false|0)$/i.test(text) ? false : undefined;
};

const orExpected = <T>(value: T | undefined, expected: string): Parsed<T> =>
  value === undefined ? { expected } : { value };

const parsePattern = (text: string): Parsed<RegExp> => {
  try {
    return { value: compileGoPattern(text) };
  } catch (error) {
    const why = messageOf(error).replace(/^Invalid regular expression: /, '');
    return { expected: `a regular expression (${why})` };
  }
};

const parseUrls = (text: string, { schemes = [] }: OptionRow): Parsed<readonly string[]> => {
  // A comma may stand in a password: it separates only where a URL follows.
  const urls = split(text, /,(?=\s*[a-z]+:\/\/)/i);
  const good = urls.every(text => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    return url !== undefined && url.hostname !== '' && schemes.includes(url.protocol.slice(0, -1));
  });
  return good ? { value: urls } : { expected: `${schemes.map(scheme => `${scheme}://`).join(' or ')} and a host` };
};

const parseChoice = (text: string, { choices = [] }: OptionRow): Parsed<string> =>
  choices.includes(text) ? { value: text } : { expected: choices.join(' or ') };

const integer = (text: string): number | undefined => {
  const value = Number(text);
  return /^[+-]?\d+$/.test(text) && Number.isSafeInteger(value) ? value : undefined;
};

const parsers: { readonly [T in OptionType]: (text: string, row: OptionRow) => Parsed<OptionValues[T]> } = {
  text: value => ({ value }),
  path: text => ({ value: resolve(text) }),
  boolean: text => orExpected(parseBoolean(text), 'true or false'),
  integer: text => orExpected(integer(text), 'a whole number'),
  bytes: text => orExpected(parseSize(text), `a size such as ${sizeExamples}`),
  duration: text => orExpected(parseDuration(text), `a duration such as ${durationExamples}`),
  pattern: parsePattern,
  choice: parseChoice,
  list: text => ({ value: split(text, ',') }),
  words: text => ({ value: split(text, /[\s,]+/) }),
  paths: text => ({ value: split(text, ',').map(path => resolve(path)) }),
  urls: parseUrls,
};

const rangeOf = (row: OptionRow): string | undefined => {
  if (row.min === undefined) return row.max === undefined ? undefined : `at most ${row.max}`;
  return row.max === undefined ? `at least ${row.min}` : `${row.min} to ${row.max}`;
};

/** Whether `value` is on the wrong side of `bound`, which is written as a value of this row. */
const beyond = (row: OptionRow, value: unknown, bound: string | undefined, side: 1 | -1): boolean => {
  if (bound === undefined || typeof value !== 'number') return false;
  const limit = parsers[row.type](bound, row);
  return 'value' in limit && (value - Number(limit.value)) * side > 0;
};

/** Check one value of one option: its type, then its range. `text` is neither empty nor padded. */
export const parseValue = (row: OptionRow, text: string): Parsed => {
  const parsed = parsers[row.type](text, row);
  if ('expected' in parsed) return parsed;
  const outside = beyond(row, parsed.value, row.min, -1) || beyond(row, parsed.value, row.max, 1);
  return outside ? { expected: rangeOf(row) ?? '' } : parsed;
};
