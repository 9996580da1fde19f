import { readArguments, takesNext } from '../../lib/config/arguments.ts';
import { OptionsError } from '../../lib/errors.ts';
import { durationExamples, parseDuration } from '../../lib/request/durations.ts';
import { parseSize, sizeExamples } from '../../lib/request/sizes.ts';
import { readStore, type SubmitStore } from './store.ts';

/** What to submit, where. */
export interface SubmitArguments {
  readonly workspace: string;
  readonly queue: string;
  readonly store: SubmitStore;
  /** The program's own arguments. */
  readonly args: readonly string[];
  /** Of flags that may be given once. */
  readonly given: Readonly<Partial<Record<Single, string>>>;
  readonly requirements: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly follow: boolean;
  readonly json: boolean;
  /** Options of the table. */
  readonly rest: readonly string[];
}

const singles = [
  'queue',
  'store',
  'service-account',
  'database-bucket',
  'filename',
  'python',
  'requirements',
  'cpus',
  'gpus',
  'ram',
  'hdd',
  'gpu-mem',
  'project',
  'key',
  'max-duration',
  'lifetime',
  'seal',
  'sign',
  'runner',
] as const;
export type Single = (typeof singles)[number];
const isSingle = (name: string): name is Single => (singles as readonly string[]).includes(name);

const checks: Readonly<Partial<Record<Single, readonly [good: (text: string) => boolean, expected: string]>>> = {
  cpus: [text => /^\d+$/.test(text), 'a whole number'],
  gpus: [text => /^\d+$/.test(text), 'a whole number'],
  ram: [text => parseSize(text) !== undefined, `a size such as ${sizeExamples}`],
  hdd: [text => parseSize(text) !== undefined, `a size such as ${sizeExamples}`],
  'gpu-mem': [text => parseSize(text) !== undefined, `a size such as ${sizeExamples}`],
  'max-duration': [text => parseDuration(text) !== undefined, `a duration such as ${durationExamples}`],
  lifetime: [text => parseDuration(text) !== undefined, `a duration such as ${durationExamples}`],
  runner: [text => /^https?:\/\//.test(text) && URL.canParse(text), 'a URL like http://host:9090'],
};

/**
 * @param env of this process, for SUBMIT_STORE
 * Errors: OptionsError with everything that is wrong.
 */
export const readSubmitArguments = (
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): SubmitArguments => {
  const end = argv.indexOf('--');
  const words = end < 0 ? [...argv] : argv.slice(0, end);
  const args = end < 0 ? [] : argv.slice(end + 1);
  const given: Partial<Record<Single, string>> = {};
  const requirements: string[] = [];
  const variables: [string, string][] = [];
  const workspaces: string[] = [];
  const rest: string[] = [];
  const faults: string[] = [];
  let follow = false;
  let json = false;
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const [, name = '', inline] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    const value = (): string => {
      const text = inline ?? words.shift();
      if (text === undefined) faults.push(`--${name}: a value is missing`);
      return text ?? '';
    };
    if (word === '--follow') follow = true;
    else if (word === '--json') json = true;
    else if (isSingle(name)) given[name] = value();
    else if (name === 'requirement') requirements.push(value());
    else if (name === 'set') {
      const [, key, text] = /^([A-Za-z_]\w*)=(.*)$/s.exec(value()) ?? [];
      if (key === undefined || text === undefined) faults.push('--set: expected NAME=VALUE');
      else variables.push([key, text]);
    } else if (word.startsWith('-')) {
      rest.push(word);
      if (takesNext(word, words[0])) rest.push(words.shift() ?? '');
    } else workspaces.push(word);
  }
  for (const [name, [good, expected]] of Object.entries(checks)) {
    const text = given[name as Single];
    if (text !== undefined && !good(text)) faults.push(`--${name}: found "${text}", expected ${expected}`);
  }
  faults.push(...readArguments(rest).faults);
  const [workspace = ''] = workspaces;
  if (workspaces.length !== 1)
    faults.push(`submit: found ${String(workspaces.length)} workspaces, expected one directory`);
  const { queue = '' } = given;
  if (!/^[\w.-]+$/.test(queue)) faults.push('--queue: expected the name of a queue: letters, digits, _ - and .');
  if ((given.seal === undefined) !== (given.sign === undefined))
    faults.push('--seal, --sign: found only one of them, expected both or neither');
  const store = readStore(given.store ?? env['SUBMIT_STORE'], given['database-bucket']);
  if (typeof store === 'string') faults.push(store);
  else if (given['service-account'] !== undefined && !store.endpoint.startsWith('gs:'))
    faults.push('--service-account: found it with another store, expected --store gs://BUCKET');
  if (faults.length > 0 || typeof store === 'string') throw new OptionsError(faults);
  return {
    workspace,
    queue,
    store,
    args,
    given,
    requirements,
    env: Object.fromEntries(variables),
    follow,
    json,
    rest,
  };
};
