import { isatty } from 'node:tty';
import { asError, messageOf, OptionsError } from '../lib/errors.ts';
import type { DeadLetter, DeadLetters, Verdict } from '../lib/queues/dead-letters.ts';
import { configured, printFaults, redactorOf } from './configured.ts';
import { readDeadArguments, type DeadArguments } from './dead/arguments.ts';
import { openDeadLetters } from './dead/open.ts';
import { summaryOf, tableOf, wholeOf, type Summary } from './dead/print.ts';
import { terminalColumns } from './terminal.ts';
import { withCheck } from './with-check.ts';

const print = (text: string) => process.stdout.write(`${text}\n`);

/** What is done with a letter, and told of it. */
type Act = (letter: DeadLetter) => Verdict;

/** Look at every letter that is meant, in every queue that may have one. */
const visitAll = async (opened: readonly DeadLetters[], { queue }: DeadArguments, act: Act, signal: AbortSignal) => {
  for (const letters of opened) {
    const queues = queue === undefined ? await letters.queues(signal) : [queue];
    for (const name of queues) await letters.visit(name, act, signal);
  }
};

const list = async (opened: readonly DeadLetters[], use: DeadArguments, signal: AbortSignal): Promise<boolean> => {
  const byQueue = new Map<string, Summary[]>();
  await visitAll(
    opened,
    use,
    letter => {
      const summary = summaryOf(letter);
      if (use.json) print(JSON.stringify(summary));
      else byQueue.set(letter.queue, [...(byQueue.get(letter.queue) ?? []), summary]);
      return 'keep';
    },
    signal,
  );
  if (use.json) return true;
  if (byQueue.size === 0) print('no dead letters');
  for (const [queue, letters] of byQueue) print(tableOf(queue, letters, isatty(1) ? terminalColumns() : undefined));
  return true;
};

const show = async (opened: readonly DeadLetters[], use: DeadArguments, signal: AbortSignal): Promise<boolean> => {
  let found = false;
  await visitAll(
    opened,
    use,
    letter => {
      if (letter.id === use.ids[0] && !found) {
        found = true;
        if (use.raw) process.stdout.write(letter.body);
        else print(JSON.stringify(wholeOf(letter), null, use.json ? 0 : 2));
      }
      return 'keep';
    },
    signal,
  );
  if (!found) process.stderr.write(`runner: there is no dead letter with this ID [id=${use.ids[0] ?? ''}]\n`);
  return found;
};

const settle = async (opened: readonly DeadLetters[], use: DeadArguments, signal: AbortSignal): Promise<boolean> => {
  const missing = new Set(use.ids);
  const verdict = use.action === 'drop' ? 'drop' : use.keepCount ? 'requeue-counted' : 'requeue';
  const meant: DeadLetter[] = [];
  let failure: Error | undefined;
  const act: Act = letter => {
    if (!use.all && !missing.delete(letter.id)) return 'keep';
    meant.push(letter);
    return verdict;
  };
  await visitAll(opened, use, act, signal).catch((error: unknown) => {
    failure = asError(error);
    // What it failed at is not done.
    meant.pop();
  });
  for (const letter of meant) {
    if (use.json) print(JSON.stringify({ done: verdict, ...summaryOf(letter) }));
    else print(`${use.action === 'drop' ? 'dropped' : 'requeued'} ${letter.id} [queue=${letter.queue}]`);
  }
  if (failure !== undefined) throw failure;
  for (const id of missing) process.stderr.write(`runner: there is no dead letter with this ID [id=${id}]\n`);
  return missing.size === 0;
};

/**
 * List, show, requeue or drop dead letters.
 * Exit code: 0 done, 1 something was not there or failed, 2 usage.
 */
export const dead = async (argv: readonly string[]): Promise<number> => {
  let use: DeadArguments;
  try {
    use = readDeadArguments(argv);
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    printFaults(error);
    return 2;
  }
  const options = configured(use.rest);
  if (options === undefined) return 2;
  const { redact } = redactorOf(options);
  const stop = new AbortController();
  const onSignal = () => {
    stop.abort(new Error('interrupted'));
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  let opened: readonly DeadLetters[] = [];
  try {
    opened = await openDeadLetters(options);
    const actions = { list, show, requeue: settle, drop: settle };
    return (await actions[use.action](opened, use, stop.signal)) ? 0 : 1;
  } catch (error) {
    const why = redact(messageOf(error)).replaceAll('\n', ' ');
    process.stderr.write(`runner: ${stop.signal.aborted ? why : withCheck(why)}\n`);
    return 1;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    await Promise.allSettled(opened.map(one => one.close()));
  }
};
