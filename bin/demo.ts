import { mkdtemp } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { filter, map, scan, takeWhile, lastValueFrom } from 'rxjs';
import { loadOptions } from '../lib/config/load.ts';
import { openSinks } from '../lib/telemetry/sinks.ts';
import { startRunner } from '../pipelines/start.ts';
import { personTarget, redactedBus, redactorOf } from './configured.ts';
import { demoExperiments, submitDemo } from './demo/submit.ts';
import { summarise } from './demo/summary.ts';

/** What the environment says of the machine, and nothing that configures a runner: the demo is the same for everyone. */
const machineEnv = (): Readonly<Record<string, string | undefined>> => {
  const { PATH, HOME, TMPDIR, LANG } = process.env;
  return { PATH, HOME, TMPDIR, LANG };
};

/**
 * Run a few experiments on the embedded default (a directory queue, a directory store, Python environments) in a new temporary
 * directory, and show what came out. No option, no service, no port.
 * Exit code: 0 every experiment ended as it should (one of them has to fail), 1 not so, 2 usage.
 */
export const demo = async (argv: readonly string[]): Promise<number> => {
  if (argv.length > 0) {
    process.stderr.write(`runner: demo: found "${argv.join(' ')}", expected nothing after it\n`);
    return 2;
  }
  const directory = await mkdtemp(join(tmpdir(), 'studioml-demo-'));
  const queueRoot = join(directory, 'queues');
  process.stdout.write(`A queue, a store and ${String(demoExperiments.length)} experiments in ${directory}\n\n`);
  const submitted = await submitDemo(queueRoot, join(directory, 'store'));

  const options = loadOptions([], {
    ...machineEnv(),
    QUEUE_ROOT: queueRoot,
    QUEUE_MATCH: '^local_demo$',
    WORKING_DIR: directory,
    CLEAR_TEXT_MESSAGES: 'true',
    MAX_ATTEMPTS: '2',
    EVENTS: '-',
  });
  const redactor = redactorOf(options);
  const bus = redactedBus(redactor);
  const sinks = await openSinks(bus, {
    targets: [personTarget('-')],
    runner: hostname(),
    least: 'info',
  });
  const done = lastValueFrom(
    bus.events$.pipe(
      // One that is given back would come again and again: here nothing changes in between.
      filter(event => event.event === 'settled' && event.fields['settlement'] !== 'retry'),
      map(event => ({ experiment: event.experiment ?? '', fields: event.fields })),
      scan((ended, one) => ended.set(one.experiment, one.fields), new Map<string, Readonly<Record<string, unknown>>>()),
      takeWhile(ended => ended.size < submitted.length, true),
    ),
  );
  const runner = await startRunner(options, bus, redactor);
  const stop = () => {
    runner.stop({ why: 'interrupted' });
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const ended = await Promise.race([done, runner.finished.then(() => undefined)]);
  runner.stop({ why: 'the demo is over' });
  await runner.finished;
  process.off('SIGINT', stop).off('SIGTERM', stop);
  await sinks.close();
  if (!ended) {
    process.stdout.write('\nThe demo was interrupted.\n');
    return 1;
  }
  return summarise(directory, submitted, ended);
};
