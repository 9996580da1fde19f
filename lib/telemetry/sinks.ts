import { messageOf } from '../errors.ts';
import type { EventBus, Level, RunnerEvent } from './events.ts';
import { jsonFormat, type EventFormat } from './json-format.ts';
import { createLineWriter, type LineWriter, type LineWriterOptions } from './line-writer.ts';
import { redactDeep } from './redact.ts';
import type { RemotePlace } from './sinks/remote-place.ts';

/** A place that events go to: an open descriptor, a file that is appended to, or somewhere else. */
export interface SinkTarget {
  /** For people: `-`, the path, the URL without secrets. */
  readonly name: string;
  readonly target: number | string | RemotePlace;
  /** Lines for people instead of JSON. */
  readonly person?:
    | {
        readonly colours: boolean;
        /** The width of the terminal: lines are broken to it, and the last shows how far transfers are. Absent: they are lines as well. */
        readonly columns?: () => number;
      }
    | undefined;
}

export interface SinkSettings {
  readonly targets: readonly SinkTarget[];
  /** The host's name, in every line. */
  readonly runner: string;
  /** Events below this level are not written. */
  readonly least: Level | 'none';
  /** Takes secrets out of a text in an event; what the program itself calls things stays. */
  readonly redact?: (text: string) => string;
  /** Bytes that may wait for a slow reader, for each sink. Default: 1 MiB. */
  readonly maxBytes?: number;
}

export interface EventSinks {
  /** Files that were renamed are opened anew. */
  readonly reopen: () => void;
  /** Write out what has happened, for `timeoutMs` at most (default: 2 s), and close. Out: how many events each sink lost by that. */
  readonly close: (timeoutMs?: number) => Promise<ReadonlyMap<string, number>>;
}

interface Connected {
  readonly take: (line: string) => void;
  readonly writer: LineWriter;
}

/** A writer whose trouble is told on the bus: once when it begins, and when it is over with what it cost. */
const connect = async (
  bus: EventBus,
  name: string,
  open: (on: Omit<LineWriterOptions, 'maxBytes'>) => LineWriter | Promise<LineWriter>,
): Promise<Connected> => {
  let dropped = 0;
  let dropping = false;
  let failing = false;
  let told: string | undefined;
  let saying = false;
  const say = (tell: () => void) => {
    if (saying) return;
    saying = true;
    tell();
    saying = false;
  };
  const lost = (error: string) => {
    // Told once, not at each try.
    if (told === error) return;
    told = error;
    say(() => {
      bus.emit('sink-lost', { sink: name, dropped, error });
    });
  };
  const backAgain = () => {
    if (told === undefined || dropping || failing || saying) return;
    const cost = dropped;
    dropped = 0;
    told = undefined;
    say(() => {
      bus.emit('sink-back', { sink: name, dropped: cost });
    });
  };
  const writer = await open({
    onError: error => {
      failing = true;
      lost(messageOf(error));
    },
    onOk: () => {
      failing = false;
      backAgain();
    },
    onLost: (lines, error) => {
      failing = true;
      dropped += lines;
      lost(messageOf(error));
    },
  });
  const take = (line: string): void => {
    if (writer.write(line)) {
      dropping = false;
      backAgain();
    } else if (!saying) {
      dropped += 1;
      dropping = true;
      lost(told ?? 'its reader is too slow');
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

const cleaned =
  (format: EventFormat, redact: (text: string) => string): EventFormat =>
  event => {
    const { queue, experiment, project, attempt, fields } = event;
    return format({ ...event, ...redactDeep({ queue, experiment, project, attempt, fields }, redact) });
  };

/** Several sinks that write an event alike: its line is made, and secrets are looked for in it, once. */
const once = (lineOf: EventFormat): EventFormat => {
  let last: RunnerEvent | undefined;
  let line = '';
  return event => {
    if (event !== last) {
      line = lineOf(event);
      last = event;
    }
    return line;
  };
};

/** How events are written there. What is loaded for it is loaded when it is asked for. @param json as most sinks have it */
const formatOf = async ({ target, person }: SinkTarget, runner: string, json: EventFormat): Promise<EventFormat> => {
  if (person) return (await import('./person-format.ts')).personFormat(person.colours, person.columns);
  if (typeof target !== 'object' || target.type === 'tcp' || target.type === 'http') return json;
  return (await import('./sinks/remote.ts')).remoteFormat(target, runner);
};
const writerOf = async ({ target }: SinkTarget, options: LineWriterOptions): Promise<LineWriter> =>
  typeof target === 'object'
    ? (await import('./sinks/remote.ts')).createRemoteWriter(target, options)
    : createLineWriter(target, options);

const ranks: Readonly<Record<Level | 'none', number>> = { debug: 0, info: 1, warn: 2, error: 3, none: 4 };

/**
 * Write every event of the bus to each target, from now on. A target that is slow or fails holds nobody up: its lines wait in
 * memory up to `maxBytes`, then they are dropped and counted. `sink-lost` tells the other targets at once, `sink-back` all of them what
 * it cost when it takes lines again.
 * Errors: what opening a file or a package says; nothing is left open then.
 */
export const openSinks = async (bus: EventBus, settings: SinkSettings): Promise<EventSinks> => {
  const { targets, runner, least, redact, maxBytes = 1 << 20 } = settings;
  const sinks: { readonly name: string; readonly write: (event: RunnerEvent) => void; readonly writer: LineWriter }[] =
    [];
  const json = jsonFormat(runner);
  // Before it is written: a secret may be a word that the format itself uses.
  const clean = (format: EventFormat): EventFormat => safely(redact ? cleaned(format, redact) : format);
  const whole = (format: EventFormat): EventFormat => {
    const lineOf = clean(format);
    return event => `${lineOf(event)}\n`;
  };
  const jsonLine = once(whole(json));
  const lineOf = async (sink: SinkTarget): Promise<EventFormat> => {
    const format = await formatOf(sink, runner, json);
    const { person } = sink;
    if (person?.columns === undefined) return format === json ? jsonLine : whole(format);
    return clean((await import('./progress-bar.ts')).withProgressBar(format, person.columns));
  };
  try {
    for (const sink of targets) {
      const line = await lineOf(sink);
      const { take, writer } = await connect(bus, sink.name, on => writerOf(sink, { maxBytes, ...on }));
      sinks.push({
        name: sink.name,
        write: event => {
          take(line(event));
        },
        writer,
      });
    }
  } catch (error) {
    await Promise.all(sinks.map(({ writer }) => writer.close(0)));
    throw error;
  }
  const subscription = bus.events$.subscribe(event => {
    if (ranks[event.level] < ranks[least]) return;
    for (const { write } of sinks) write(event);
  });
  return {
    reopen: () => {
      for (const { writer } of sinks) writer.reopen?.();
    },
    close: async (timeoutMs = 2000) => {
      subscription.unsubscribe();
      const lost = await Promise.all(
        sinks.map(async ({ name, writer }) => [name, await writer.close(timeoutMs)] as const),
      );
      return new Map(lost.filter(([, lines]) => lines > 0));
    },
  };
};
