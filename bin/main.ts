import { commandLine } from './handed-over.ts';
import { setImmediate as immediate } from 'node:timers/promises';
import { closest, distance } from 'fastest-levenshtein';
import { messageOf } from '../lib/errors.ts';
import { endWithoutReader } from './broken-pipe.ts';
import { commands, isCommand } from './commands.ts';
import { commandHelp, generalHelp } from './help.ts';
import { columns } from './terminal.ts';
import { version } from '../lib/version.ts';

const print = (text: string): number => {
  process.stdout.write(`${text}\n`);
  return 0;
};

const refuse = (name: string): number => {
  const nearest = closest(name, Object.keys(commands));
  const hint = distance(name, nearest) <= 2 ? `did you mean ${nearest}?` : "'runner --help' lists them";
  process.stderr.write(`runner: there is no command "${name}"; ${hint}\n`);
  return 2;
};

const help = (name: string | undefined): number => {
  if (name === undefined) return print(generalHelp(columns()));
  return isCommand(name) ? print(commandHelp(name, columns())) : refuse(name);
};

/** What follows -- is for the program of an experiment. */
const asksFor = (argv: readonly string[], ...flags: readonly string[]): boolean => {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? argv.length : end).some(word => flags.includes(word));
};

/** Do what a command line asks for; resolves with the exit code. */
const main = async (argv: readonly string[]): Promise<number> => {
  const [first, ...rest] = argv;
  if (first === 'help') return help(rest[0]);
  const named = isCommand(first);
  if (!named && first !== undefined && !first.startsWith('-')) return refuse(first);
  if (asksFor(argv, '--help', '-h')) return print(named ? commandHelp(first, columns()) : generalHelp(columns()));
  if (asksFor(argv, '--version', '-V')) return print(version());
  const run = await commands[named ? first : 'serve'].load();
  return run(named ? rest : argv);
};

endWithoutReader();
try {
  const code = await main(commandLine());
  // A write that failed is heard of a moment later.
  await immediate();
  process.exit(code);
} catch (error) {
  process.stderr.write(`runner: ${messageOf(error)}\n`);
  process.exit(1);
}
