import { messageOf } from '../errors.ts';
import type { EventBus, RunnerEvent } from './events.ts';
import { jsonFormat, type EventFormat } from './json-format.ts';
import { createLineWriter, type LineWriter } from './line-writer.ts';

/** A place that events go to: an open descriptor, or a file that is appended to. */
export interface SinkTarget {
  /** For people: `-`, or the path. */
  readonly name: string;
  readonly target: number | string;
  /** Lines for people instead of JSON. */
  readonly person?:
    | {
        readonly colours: boolean;
        /** The width of the terminal, whose last line shows how far transfers are; absent: they are lines as well. */
        readonly columns?: () => number;
      }
    | undefined;
}

export interface SinkSettings {
  readonly targets: readonly SinkTarget[];
  /** The host's name, in every line. */
  readonly runner: string;
  /** Whether events of level debug are written. */
  readonly debug: boolean;
  /** Takes secrets out of a line. */
  readonly redact?: (text: string) => string;
  /** Bytes that may wait for a slow reader, for each sink. Default: 1 MiB. */
  readonly maxBytes?: number;
}

export interface EventSinks {
  /** Write out what has happened, for `timeoutMs` at most (default: 2 s), and close. */
  readonly close: (timeoutMs?: number) => Promise<void>;
}

const connect = (bus: EventBus, name: string, open: (onError: (error: Error) => void) => LineWriter) => {
  let dropped = 0;
  let lastError = '';
  let saying = false;
  const say = (error: string) => {
    if (saying) return;
    saying = true;
    bus.emit('sink-lost', { sink: name, dropped, error });
    saying = false;
  };
  const writer = open(error => {
    // Told once, not at each try.
    if (error.message === lastError) return;
    lastError = error.message;
    say(messageOf(error));
  });
  const take = (line: string): void => {
    if (writer.write(line)) {
      if (dropped === 0 || saying) return;
      say(lastError || 'its reader was too slow');
      dropped = 0;
      lastError = '';
    } else if (!saying) {
      dropped++;
      if (dropped === 1) say(lastError || 'its reader is too slow');
    }
  };
  return { take, writer };
};

const safely =
  (format: EventFormat): EventFormat =>
  event => {
    try {
      return format(event);
    } catch (error) {
      return format({ ...event, fields: { error: `its fields can not be written: ${messageOf(error)}` } });
    }
  };

/**
 * Write every event of the bus to each target, from now on. A target that is slow or fails holds nobody up: its lines wait in
 * memory up to `maxBytes`, then they are dropped, counted, and told by `sink-lost`: to the other targets at once, to itself when
 * it takes lines again.
 * Errors: what opening a file says; nothing is left open then.
 */
export const openSinks = async (bus: EventBus, settings: SinkSettings): Promise<EventSinks> => {
  const { targets, runner, debug, redact = text => text, maxBytes = 1 << 20 } = settings;
  const sinks: { readonly write: (event: RunnerEvent) => void; readonly writer: LineWriter }[] = [];
  try {
    for (const { name, target, person } of targets) {
      const made =
        person === undefined ? jsonFormat(runner) : (await import('./person-format.ts')).personFormat(person.colours);
      const format = safely(made);
      const lineOf =
        person?.columns === undefined
          ? (event: RunnerEvent) => `${format(event)}\n`
          : (await import('./progress-bar.ts')).withProgressBar(format, person.columns);
      const { take, writer } = connect(bus, name, onError => createLineWriter(target, { maxBytes, onError }));
      sinks.push({ write: event => take(redact(lineOf(event))), writer });
    }
  } catch (error) {
    await Promise.all(sinks.map(({ writer }) => writer.close(0)));
    throw error;
  }
  const subscription = bus.events$.subscribe(event => {
    if (event.level === 'debug' && !debug) return;
    for (const { write } of sinks) write(event);
  });
  return {
    close: async (timeoutMs = 2000) => {
      subscription.unsubscribe();
      await Promise.all(sinks.map(({ writer }) => writer.close(timeoutMs)));
    },
  };
};
