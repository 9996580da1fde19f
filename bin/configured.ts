import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { isatty } from 'node:tty';
import { sinkName, sinkPlace } from '../lib/config/event-sinks.ts';
import { leastLevel, wantsJson } from '../lib/config/logxi.ts';
import { loadOptions, type LoadNeeds } from '../lib/config/load.ts';
import type { Options } from '../lib/config/options.ts';
import { hasColors, terminalColumns } from './terminal.ts';
import { messageOf, OptionsError } from '../lib/errors.ts';
import { secretsOf } from '../lib/request/secrets-of.ts';
import { createEventBus, type EventBus } from '../lib/telemetry/events.ts';
import { createRedactor, passwordsOf, redactDeep, type Redactor } from '../lib/telemetry/redact.ts';
import { openSinks, type EventSinks, type SinkTarget } from '../lib/telemetry/sinks.ts';

/** The options of this process; where they have faults, these are printed, one a line, and there are none. */
export const configured = (argv: readonly string[], needs?: LoadNeeds): Options | undefined => {
  try {
    return loadOptions(argv, process.env, needs);
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    printFaults(error);
    return undefined;
  }
};

/** One line each, on stderr. */
export const printFaults = ({ faults }: OptionsError): void => {
  process.stderr.write(faults.map(fault => `runner: ${fault}\n`).join(''));
};

/** A redactor that knows the secrets in these options and in the environment. */
export const redactorOf = (options: Options): Redactor => {
  const redactor = createRedactor();
  for (const secret of secretsOf({ env: process.env })) {
    // GOOGLE_APPLICATION_CREDENTIALS and the like say where a secret is.
    if (!existsSync(secret)) redactor.add(secret);
  }
  for (const secret of [options.slackHook, options.statusToken]) if (secret !== undefined) redactor.add(secret);
  const urls = [...options.amqpUrls, ...options.amqpMgtUrls, ...options.events];
  for (const password of passwordsOf(urls)) redactor.add(password);
  return redactor;
};

/** A bus whose events are free of what the redactor knows. */
export const redactedBus = ({ redact }: Redactor): EventBus =>
  createEventBus(Date.now, fields => redactDeep(fields, redact));

/** Lines for people on stdout. A terminal that can't take back what it shows has whole lines only. */
export const personTarget = (name: string): SinkTarget => {
  const width = isatty(1) && process.env['TERM'] !== 'dumb' ? { columns: terminalColumns } : {};
  return { name, target: 1, person: { colours: hasColors(), ...width } };
};

const targetOf = (sink: string, json: boolean): SinkTarget => {
  const place = sinkPlace(sink);
  const name = sinkName(sink);
  if (place?.type === 'file') return { name, target: place.path };
  if (place !== undefined && place.type !== 'stdout') return { name, target: place };
  return isatty(1) && !json ? personTarget(name) : { name, target: 1 };
};

/** Close the sinks; what they could not take any more is said on stderr. */
export const closeEvents = async (sinks: EventSinks): Promise<void> => {
  for (const [sink, lines] of await sinks.close())
    process.stderr.write(`runner: ${String(lines)} events could not be written [sink=${sink}]\n`);
};

/**
 * Write events where the options say, and tell there which options have no effect.
 * Errors: OptionsError where a file can not be opened, or a package is not there.
 */
export const openEvents = async (bus: EventBus, options: Options, { redact }: Redactor): Promise<EventSinks> => {
  try {
    const sinks = await openSinks(bus, {
      targets: options.events.map(sink => targetOf(sink, wantsJson(options.logxiFormat ?? ''))),
      runner: hostname(),
      least: options.debug ? 'debug' : (leastLevel(options.logxi ?? '') ?? 'info'),
      redact,
    });
    return sinks;
  } catch (error) {
    throw new OptionsError([`--events (EVENTS): can not be written to: ${messageOf(error)}`]);
  }
};
