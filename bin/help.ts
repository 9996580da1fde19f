import { describeOptions, twoColumns, wrap } from '../lib/config/describe.ts';
import type { OptionName } from '../lib/config/options.ts';
import { commands, type CommandName, type CommandRow } from './commands.ts';

const optionsNote =
  'Every option is a flag and an environment variable: --queue-match is QUEUE_MATCH. The flag wins. Sizes: 3gb, 512mib; durations: 90s, 20m, 1h30m.';

const exits = [
  ['0', 'all went well'],
  ['1', 'something did not'],
] as const;
const usageExit = ['2', 'a command, option or argument that can not be used; every fault is printed'] as const;

const exitPart = (columns: number, own: CommandRow['exits'] = exits): string => {
  const [good, bad, ...more] = own;
  const rows = [good, bad, usageExit, ...more].filter(row => row !== undefined);
  return `Exit codes:\n${twoColumns(rows, columns, Math.max(10, ...rows.map(([code]) => code.length)))}`;
};
const optionsPart = (columns: number, names?: readonly OptionName[]): string =>
  `${wrap(optionsNote, columns).join('\n')}\n\n${describeOptions(columns, names)}`;

/** `runner --help`, for a terminal of `columns` characters. */
export const generalHelp = (columns: number): string =>
  [
    'Usage: runner [command] [options]',
    wrap('Takes StudioML experiments from queues, runs them, and stores their results.', columns).join('\n'),
    `Commands:\n${twoColumns(
      Object.entries(commands).map(([name, row]) => [name, row.summary] as const),
      columns,
      10,
    )}`,
    "'runner COMMAND --help' tells more of a command.",
    optionsPart(columns),
    exitPart(columns),
  ].join('\n\n');

/** `runner COMMAND --help` */
export const commandHelp = (name: CommandName, columns: number): string => {
  const row: CommandRow = commands[name];
  return [
    `Usage: runner ${name} ${row.usage}`.trimEnd(),
    wrap(row.summary, columns).join('\n'),
    ...(row.flags === undefined ? [] : [twoColumns(row.flags, columns, 28)]),
    `Example:\n  ${row.example}`,
    ...(row.options === false ? [] : [optionsPart(columns, row.options === true ? undefined : row.options)]),
    exitPart(columns, row.exits),
  ].join('\n\n');
};
