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

const isBooleanWord = (text: string): boolean => /^(true|false|1|0)$/i.test(text);

const nameOf = (word: string): OptionName | undefined => byFlag.get(word.replace(/^--?/, '--').replace(/=.*$/s, ''));

/** Whether the option `word` has its value in the word after it. */
export const takesNext = (word: string, next: string | undefined): boolean => {
  if (next === undefined || word.includes('=')) return false;
  const name = nameOf(word);
  if (name === undefined) return !next.startsWith('-');
  return options[name].type === 'boolean' ? isBooleanWord(next) : !next.startsWith('--');
};

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
    const name = nameOf(word);
    const next = takesNext(word, argv[at + 1]) ? argv[++at] : undefined;
    const text = value ?? next;
    if (name === undefined) faults.push(unknown(flag));
    else if (text !== undefined) given.set(name, text);
    else if (options[name].type === 'boolean') given.set(name, 'true');
    else faults.push(`${flag}: a value is missing`);
  }
  return { given, faults };
};
