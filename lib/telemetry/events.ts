import { Subject, type Observable } from 'rxjs';

import { attemptEvents } from './event-rows/attempts.ts';
import { machineEvents } from './event-rows/machine.ts';
import { queueEvents } from './event-rows/queues.ts';
import { runnerEvents } from './event-rows/runner.ts';
import type { FieldTypes, Level } from './event-rows/row.ts';

export type { Level } from './event-rows/row.ts';

/** Everything that happens, in one table: name, level, when, fields. Durations end in Ms, sizes in Bytes. */
export const events = { ...runnerEvents, ...queueEvents, ...machineEvents, ...attemptEvents };

export type EventName = keyof typeof events;

type Simplify<T> = { [K in keyof T]: T[K] };
type KindOf<K> = K extends `${infer Base extends keyof FieldTypes}?` ? Base : K;
type FieldsOf<F> = Simplify<
  { readonly [K in keyof F as F[K] extends `${string}?` ? never : K]: FieldTypes[KindOf<F[K]> & keyof FieldTypes] } & {
    readonly [K in keyof F as F[K] extends `${string}?` ? K : never]?:
      FieldTypes[KindOf<F[K]> & keyof FieldTypes] | undefined;
  }
>;
/** The fields of one event. */
export type EventFields<N extends EventName> = FieldsOf<(typeof events)[N]['fields']>;

/** Whom an event is about. */
export interface About {
  readonly queue?: string | undefined;
  readonly experiment?: string | undefined;
  readonly project?: string | undefined;
  /** Accession id of the attempt. */
  readonly attempt?: string | undefined;
}

/** One thing that happened, as sinks get it. */
export interface RunnerEvent extends About {
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  readonly level: Level;
  readonly event: EventName;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Tell that something happened. Never throws, never waits. */
export type Emit = <N extends EventName>(event: N, fields: EventFields<N>, about?: About) => void;

/** The one place where events come together. An observer that throws is let go; it never reaches who emitted. */
export interface EventBus {
  readonly emit: Emit;
  readonly events$: Observable<RunnerEvent>;
}

const noSecrets = <T>(value: T): T => value;

/**
 * @param now clock in ms since the epoch
 * @param redact takes secrets out of an event's fields, before any observer sees them
 */
export const createEventBus = (now: () => number = Date.now, redact: <T>(fields: T) => T = noSecrets): EventBus => {
  const subject = new Subject<RunnerEvent>();
  return {
    emit: (event, fields, about = {}) => {
      subject.next({ atMs: now(), level: events[event].level, event, ...about, fields: redact(fields) });
    },
    events$: subject.asObservable(),
  };
};
