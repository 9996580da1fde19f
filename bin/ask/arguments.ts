import { readArguments, takesNext } from '../../lib/config/arguments.ts';
import { OptionsError } from '../../lib/errors.ts';

/** The words of a command that asks a running runner for one thing. */
export interface AskArguments {
  /** A queue's name, or an experiment's key. */
  readonly subject: string;
  /** URL of the runner; undefined: PROM_ADDRESS on this machine. */
  readonly runner: string | undefined;
  readonly json: boolean;
  /** Options of the table. */
  readonly rest: readonly string[];
}

/**
 * @param command for messages
 * @param what the subject in words: `the name of one queue`
 * Errors: OptionsError with everything that is wrong.
 */
export const readAskArguments = (command: string, what: string, argv: readonly string[]): AskArguments => {
  const subjects: string[] = [];
  const rest: string[] = [];
  const faults: string[] = [];
  let runner: string | undefined;
  let json = false;
  const words = [...argv];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '--json') json = true;
    else if (word === '--runner' || word.startsWith('--runner=')) {
      runner = word === '--runner' ? (words.shift() ?? '') : word.slice('--runner='.length);
      if (!/^https?:\/\//.test(runner) || !URL.canParse(runner))
        faults.push(`--runner: found "${runner}", expected a URL like http://host:9090`);
    } else if (word.startsWith('-')) {
      rest.push(word);
      if (takesNext(word, words[0])) rest.push(words.shift() ?? '');
    } else subjects.push(word);
  }
  faults.push(...readArguments(rest).faults);
  const [subject = ''] = subjects;
  if (subjects.length !== 1) faults.push(`${command}: found ${String(subjects.length)} names, expected ${what}`);
  if (faults.length > 0) throw new OptionsError(faults);
  return { subject, runner, json, rest };
};
