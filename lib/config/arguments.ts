import { closest, distance } from 'fastest-levenshtein';
import { flagOf } from './option-rows.ts';
import { options, type OptionName } from './options.ts';

/** Options as they stand on a command line. The last of several wins. */
export interface Arguments {
  readonly given: ReadonlyMap<OptionName, string>;
  readonly faults: readonly string[];
}

const names = Object.keys(options) as OptionName[];
const byFlag = new Map(names.map(name => [flagOf(options[name]), name]));

const unknown = (flag: string): string => {
  const nearest = closest(flag, [...byFlag.keys()]);
  const near = distance(flag, nearest) <= Math.max(2, Math.floor(flag.length / 4));
  return `${flag}: there is no such option${near ? `; did you mean ${nearest}?` : '; --help lists them'}`;
};

const isBooleanWord = (text: string | undefined): text is string =>
  text !== undefined && /^(true|false|1|0)$/i.test(text);

/**
 * Read `--flag value`, `--flag=value`, and for booleans `--flag` alone. One dash does as well as two, as it did in Go.
 * What is wrong is told in `faults`, all of it.
 */
export const readArguments = (argv: readonly string[]): Arguments => {
  const given = new Map<OptionName, string>();
  const faults: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (!/^--?[^-]/.test(word)) {
      faults.push(`"${word}": expected an option, which begins with --`);
      continue;
    }
    const [, bare = '', value] = /^--?([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    const flag = `--${bare}`;
    const name = byFlag.get(flag);
    const next = argv[at + 1];
    if (name === undefined) {
      faults.push(unknown(flag));
      if (value === undefined && next !== undefined && !next.startsWith('-')) at++;
    } else if (value !== undefined) {
      given.set(name, value);
    } else if (options[name].type === 'boolean') {
      given.set(name, isBooleanWord(next) ? next : 'true');
      if (isBooleanWord(next)) at++;
    } else if (next === undefined || next.startsWith('--')) {
      faults.push(`${flag}: a value is missing`);
    } else {
      given.set(name, next);
      at++;
    }
  }
  return { given, faults };
};
