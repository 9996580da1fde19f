import { readArguments, takesNext } from '../../lib/config/arguments.ts';
import { OptionsError } from '../../lib/errors.ts';

const actions = ['list', 'show', 'requeue', 'drop'] as const;
export type DeadAction = (typeof actions)[number];

export interface DeadArguments {
  readonly action: DeadAction;
  readonly ids: readonly string[];
  readonly queue: string | undefined;
  readonly json: boolean;
  readonly raw: boolean;
  readonly all: boolean;
  readonly keepCount: boolean;
  /** Options of the runner. */
  readonly rest: readonly string[];
}

const flags = ['--json', '--raw', '--all', '--keep-count'] as const;

const isAction = (word: string | undefined): word is DeadAction => actions.some(action => action === word);

/** Errors: OptionsError with everything that is wrong. */
export const readDeadArguments = (argv: readonly string[]): DeadArguments => {
  const [action, ...words] = argv;
  if (!isAction(action)) {
    throw new OptionsError([
      `dead: found ${action === undefined ? 'no action' : `"${action}"`}, expected list, show, requeue or drop`,
    ]);
  }
  const ids: string[] = [];
  const rest: string[] = [];
  const faults: string[] = [];
  const given = new Set<string>();
  let queue: string | undefined;
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (flags.some(flag => flag === word)) given.add(word);
    else if (word === '--queue' || word.startsWith('--queue=')) {
      queue = word === '--queue' ? words.shift() : word.slice('--queue='.length);
      if (queue === undefined || queue === '') faults.push('--queue: found nothing, expected the name of a queue');
    } else if (word.startsWith('-')) {
      rest.push(word);
      if (takesNext(word, words[0])) rest.push(words.shift() ?? '');
    } else ids.push(word);
  }
  faults.push(...readArguments(rest).faults);
  const all = given.has('--all');
  if (action === 'list' && ids.length > 0) faults.push(`dead list: found "${ids.join(' ')}", expected no ID`);
  if (action === 'show' && ids.length !== 1) faults.push(`dead show: found ${String(ids.length)} IDs, expected one`);
  if (action === 'requeue' || action === 'drop') {
    if (ids.length === 0 && !all)
      faults.push(`dead ${action}: found no ID, expected one or more, or --all with --queue`);
    if (all && (ids.length > 0 || queue === undefined)) faults.push('--all: expected --queue with it, and no ID');
  }
  if (faults.length > 0) throw new OptionsError(faults);
  return {
    action,
    ids,
    queue,
    all,
    json: given.has('--json'),
    raw: given.has('--raw'),
    keepCount: given.has('--keep-count'),
    rest,
  };
};
