import { OptionsError } from '../errors.ts';
import { parseAddress } from '../http/address.ts';
import { readArguments } from './arguments.ts';
import { managementUrls } from './broker-urls.ts';
import { sinkFault } from './event-sinks.ts';
import { expandVariables, type Environment } from './expand.ts';
import { parseValue } from './option-values.ts';
import { flagOf, type OptionRow } from './option-rows.ts';
import { servesAwsChain, sources, sourcesFault } from './queue-sources.ts';
import { options, type OptionName, type Options } from './options.ts';

export interface LoadNeeds {
  /** Whether it is a fault when no option names a place that work comes from. Default: true. */
  readonly queues?: boolean;
}

const table: Readonly<Record<string, OptionRow>> = options;
const many = new Set(['list', 'words', 'paths', 'urls']);
const said = (row: OptionRow): string => `${flagOf(row)} (${row.env})`;

interface Given {
  readonly text: string;
  readonly from: 'on the command line' | 'in the environment';
}

const found = (row: OptionRow, { text, from }: Given): string =>
  row.secret === true ? `what is ${from} is not valid` : `found "${text}" ${from}`;

/** The text of one option, '' and blanks counting as not given. */
const textOf = (row: OptionRow, flag: string | undefined, env: Environment): Given | undefined => {
  const given = flag ?? env[row.env];
  const text = given?.trim() ?? '';
  if (text === '') return undefined;
  return {
    text: row.type === 'urls' ? expandVariables(text, env) : text,
    from: flag === undefined ? 'in the environment' : 'on the command line',
  };
};

/** Faults between options. One that has a fault of its own is not in `values` and is judged no further. */
const relations = (values: Readonly<Record<string, unknown>>, env: Environment, needs: LoadNeeds): string[] => {
  const faults: string[] = [];
  const amqpUrls = (values['amqpUrls'] ?? []) as readonly string[];
  const mgtUrls = (values['amqpMgtUrls'] ?? []) as readonly string[];
  const judged = needs.queues !== false && sources.every(name => name in values);
  const none = judged ? sourcesFault(values, env) : undefined;
  if (none !== undefined) faults.push(none);
  if ('amqpUrls' in values && mgtUrls.length !== 0 && mgtUrls.length !== amqpUrls.length)
    faults.push(
      `${said(options.amqpMgtUrls)}: found ${String(mgtUrls.length)} URLs, expected one for each of the ${String(amqpUrls.length)} of ${said(options.amqpUrls)}`,
    );
  for (const pair of [['cacheDir', 'cacheSizeBytes'] as const, ['s3Cert', 's3Key'] as const]) {
    if (!pair.every(name => name in values) || pair.filter(name => values[name] === undefined).length !== 1) continue;
    const [one, other] = pair;
    faults.push(`${said(options[one])}, ${said(options[other])}: found only one of them, expected both or neither`);
  }
  const address = values['promAddress'];
  if (typeof address === 'string' && !parseAddress(address))
    faults.push(`${said(options.promAddress)}: found "${address}", expected HOST:PORT or :PORT`);
  for (const sink of (values['events'] ?? []) as readonly string[]) {
    const fault = sinkFault(sink);
    if (fault !== undefined) faults.push(`${said(options.events)}: ${fault}`);
  }
  return faults;
};

/** The environment as the command line would have it: defaults are made from both. */
const withFlags = (env: Environment, given: ReadonlyMap<OptionName, string>): Environment => {
  const flags = [...given].filter(([, text]) => text.trim() !== '').map(([name, text]) => [options[name].env, text]);
  return { ...env, ...(Object.fromEntries(flags) as Environment) };
};

/**
 * Options from the command line and the environment, checked; a flag wins over its variable. An unknown variable is no fault,
 * an unknown flag is.
 * @param argv what follows the command's name
 * Errors: OptionsError with every fault there is.
 */
export const loadOptions = (argv: readonly string[], env: Environment, needs: LoadNeeds = {}): Options => {
  const { given, faults: argumentFaults } = readArguments(argv);
  const faults = [...argumentFaults];
  const values: Record<string, unknown> = {};
  const byHand = new Set<OptionName>();
  const known = withFlags(env, given);
  for (const [name, row] of Object.entries(table)) {
    const text = textOf(row, given.get(name as OptionName), env);
    const fallback = expandVariables(row.default, known);
    if (text !== undefined) byHand.add(name as OptionName);
    const parsed =
      text === undefined && fallback === ''
        ? { value: many.has(row.type) ? [] : undefined }
        : parseValue(row, text?.text ?? fallback);
    if ('expected' in parsed) {
      const shown = text ?? { text: fallback, from: 'in the environment' };
      faults.push(`${said(row)}: ${found(row, shown)}, expected ${parsed.expected}`);
      continue;
    }
    values[name] = parsed.value;
  }
  faults.push(...relations(values, env, needs));
  if (faults.length !== 0) throw new OptionsError(faults);
  const checked = values as unknown as Options;
  return {
    ...checked,
    amqpMgtUrls: managementUrls(checked.amqpUrls, checked.amqpMgtUrls),
    sqsChain: servesAwsChain(values, env),
    given: byHand,
  };
};
