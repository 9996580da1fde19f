import { flagOf } from '../lib/config/option-rows.ts';
import { options } from '../lib/config/options.ts';
import { commands, type CommandRow } from './commands.ts';

/** The flags that a row of flags names: `--cpus, --gpus`, `--queue QUEUE`. */
const flagsIn = (text: string): string[] => text.match(/--[a-z-]+/g) ?? [];
const tableFlags = Object.values(options).map(flagOf);
const tableFlagsOf = (taken: CommandRow['options']): readonly string[] =>
  typeof taken === 'boolean' ? (taken ? tableFlags : []) : taken.map(name => flagOf(options[name]));

/** The flags that a command takes. */
export const flagsOf = ({ flags = [], options: takesOptions }: CommandRow): readonly string[] => [
  '--help',
  ...flags.flatMap(([flag]) => flagsIn(flag)),
  ...tableFlagsOf(takesOptions),
];

/** What may follow each command. */
const wordsOf = (): readonly (readonly [command: string, words: readonly string[]])[] =>
  Object.entries(commands).map(([name, row]: [string, CommandRow]) => [name, flagsOf(row)]);

const bash = (): string => {
  const cases = wordsOf().map(([name, words]) => `    ${name}) words='${words.join(' ')}' ;;`);
  return `_runner() {
  local words word=\${COMP_WORDS[COMP_CWORD]}
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
    *) words='${tableFlags.join(' ')} --help --version' ;;
  esac
  [ "$COMP_CWORD" -gt 1 ] || words='${Object.keys(commands).join(' ')} --help --version'
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _runner runner
`;
};

const zsh = (): string => `autoload -U +X bashcompinit && bashcompinit\n${bash()}`;

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

const fish = (): string => {
  const rows: readonly (readonly [string, CommandRow])[] = Object.entries(commands);
  const names = rows.map(
    ([name, { summary }]) => `complete -c runner -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}`,
  );
  const flags = wordsOf().flatMap(([name, words]) =>
    words.map(word => `complete -c runner -n '__fish_seen_subcommand_from ${name}' -l ${word.slice(2)}`),
  );
  return `${[...names, ...flags].join('\n')}\n`;
};

const shells: Readonly<Record<string, () => string>> = { bash, zsh, fish };

/**
 * Print what completes the commands and options of this runner.
 * Exit code: 0 it was printed, 2 usage.
 */
export const completion = (argv: readonly string[]): Promise<number> => {
  const [shell = ''] = argv;
  const script = argv.length === 1 && Object.hasOwn(shells, shell) ? shells[shell] : undefined;
  if (script === undefined) {
    process.stderr.write(
      `runner: completion: found ${argv.length === 0 ? 'nothing' : `"${argv.join(' ')}"`}, expected bash, zsh or fish\n`,
    );
    return Promise.resolve(2);
  }
  process.stdout.write(script());
  return Promise.resolve(0);
};
