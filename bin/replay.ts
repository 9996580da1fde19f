import { createReadStream } from 'node:fs';
import { isatty } from 'node:tty';
import { lastValueFrom, tap } from 'rxjs';
import { readArguments, takesNext } from '../lib/config/arguments.ts';
import { readFault } from '../lib/crypto/key-file.ts';
import { OptionsError } from '../lib/errors.ts';
import { readRecording, RecordingError, type RecordedMessage } from '../lib/request/recording.ts';
import { fit, printable } from '../lib/telemetry/person-format.ts';
import { createDrivers } from '../pipelines/drivers.ts';
import { interrupted, replayMessages, type Replayed } from '../pipelines/replay.ts';
import { closeEvents, configured, openEvents, printFaults, redactedBus, redactorOf } from './configured.ts';

interface ReplayArguments {
  readonly files: readonly string[];
  readonly dryRun: boolean;
  readonly realClock: boolean;
  readonly stores: readonly (readonly [from: string, to: string])[];
  /** Options of the runner. */
  readonly rest: readonly string[];
}

const storePattern = /^(s3:\/\/[^/=]+|file:\/\/\/[^=]+)=([a-z0-9]+:\/\/.+)$/;

/** Errors: OptionsError with everything that is wrong. */
const readReplayArguments = (argv: readonly string[]): ReplayArguments => {
  const files: string[] = [];
  const stores: [string, string][] = [];
  const rest: string[] = [];
  const faults: string[] = [];
  let dryRun = false;
  let realClock = false;
  const words = [...argv];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '--dry-run') dryRun = true;
    else if (word === '--now') realClock = true;
    else if (word === '--store' || word.startsWith('--store=')) {
      const value = word === '--store' ? (words.shift() ?? '') : word.slice('--store='.length);
      const [, source, target] = storePattern.exec(value) ?? [];
      if (source && target) stores.push([source, target]);
      else
        faults.push(`--store: "${value}" is not of the form s3://HOST:PORT=URL or file:///DIRECTORY=file:///DIRECTORY`);
    } else if (word.startsWith('-')) {
      rest.push(word);
      if (takesNext(word, words[0])) rest.push(words.shift() ?? '');
    } else files.push(word);
  }
  faults.push(...readArguments(rest).faults);
  // An option that is not known may have taken the file for its value.
  if (files.length === 0 && faults.length === 0) {
    faults.push('replay: no FILE was given; expected one or more recordings (NDJSON)');
  }
  if (faults.length > 0) throw new OptionsError(faults);
  return { files, dryRun, realClock, stores, rest };
};

const queueWidth = 14;
/** A key as the client makes it: time and UUID. */
const experimentWidth = 47;
const shortExperimentWidth = 20;

/** One line of outcome: how many characters its parts have is the same for all, the sentence comes last. */
const lineOf = ({ index, queue, experiment = '-', settlement, end }: Replayed): string =>
  [
    String(index + 1).padStart(4),
    settlement.padEnd(7),
    end.cause.padEnd(18),
    fit(queue.name, queueWidth),
    // Whole keys are for programs; on a terminal they would fill the line.
    isatty(1) ? fit(experiment, shortExperimentWidth) : printable(experiment).padEnd(experimentWidth),
    printable(end.message),
  ].join('  ');

/** All recordings, one after the other. Errors: RecordingError, also for a file that can not be read. */
async function* readAll(files: readonly string[]): AsyncGenerator<RecordedMessage, void, undefined> {
  for (const file of files) {
    try {
      yield* readRecording(createReadStream(file), file);
    } catch (error) {
      throw error instanceof RecordingError
        ? error
        : new RecordingError(`${file}: ${readFault(error)}; expected a recording`);
    }
  }
}

/**
 * Feed recordings through the pipeline and print one line of outcome each.
 * Exit code: 0 every message was accepted, 1 at least one was not, 2 usage.
 */
export const replay = async (argv: readonly string[]): Promise<number> => {
  try {
    const { files, dryRun, realClock, stores, rest } = readReplayArguments(argv);
    // Events would stand between the lines of outcome: they go where EVENTS says, and nowhere without it.
    const quiet = process.env['EVENTS'] === undefined && !rest.some(word => word.startsWith('--events'));
    const options = configured(rest, { queues: false });
    if (options === undefined) return 2;
    const redactor = redactorOf(options);
    const bus = redactedBus(redactor);
    const sinks = quiet ? undefined : await openEvents(bus, options, redactor);
    const drivers = await createDrivers(options, bus.emit, { redirect: new Map(stores), redactor, queues: false });
    const stop = new AbortController();
    const onSignal = () => {
      stop.abort(interrupted());
    };
    process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
    let refused = 0;
    try {
      await lastValueFrom(
        replayMessages(readAll(files), {
          contextFor: (queue, now) => drivers.contextFor(queue, stop.signal, { now, holdMs: Infinity }),
          dryRun,
          realClock,
          stop: stop.signal,
          parallel: Math.max(1, Math.floor(drivers.ledger.total.cores)),
        }).pipe(
          tap(replayed => {
            if (replayed.settlement !== 'accept' || replayed.end.cause === 'expired') refused += 1;
            process.stdout.write(`${lineOf(replayed)}\n`);
          }),
        ),
        { defaultValue: undefined },
      );
    } finally {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
      await drivers.close();
      if (sinks) await closeEvents(sinks);
    }
    return refused === 0 && !stop.signal.aborted ? 0 : 1;
  } catch (error) {
    if (error instanceof OptionsError) {
      printFaults(error);
      return 2;
    }
    if (error instanceof RecordingError) {
      process.stderr.write(`runner: ${error.message}\n`);
      return 2;
    }
    throw error;
  }
};
