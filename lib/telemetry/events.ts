import { Subject, type Observable } from 'rxjs';

/** Kinds of values that a field may hold; `?` where it may be absent. */
interface FieldTypes {
  string: string;
  number: number;
  boolean: boolean;
  strings: readonly string[];
  object: Readonly<Record<string, unknown>>;
}
type FieldKind = keyof FieldTypes | `${keyof FieldTypes}?`;
export type Level = 'debug' | 'info' | 'warn' | 'error';

interface EventRow {
  readonly level: Level;
  readonly when: string;
  readonly fields: Readonly<Record<string, FieldKind>>;
}
const table = <T extends Record<string, EventRow>>(rows: T): T => rows;

/** Everything that happens, in one table: name, level, when, fields. Durations end in Ms, sizes in Bytes. */
export const events = table({
  'runner-started': {
    level: 'info',
    when: 'the runner is ready to take work',
    fields: { version: 'string', host: 'string', cores: 'number', memoryBytes: 'number', diskBytes: 'number' },
  },
  'runner-stopping': { level: 'info', when: 'no more work is taken', fields: { why: 'string' } },
  'runner-stopped': { level: 'info', when: 'everything was settled or given back', fields: { settled: 'number' } },
  'gpus-found': {
    level: 'info',
    when: 'these cards and MIG instances can be granted',
    fields: { gpus: 'strings' },
  },
  'gpu-unknown': {
    level: 'warn',
    when: 'a card is of a model whose slots are not known: they are derived from its memory (see GPU_SLOTS)',
    fields: { name: 'string', slots: 'number' },
  },
  'gpu-unfit': {
    level: 'warn',
    when: 'a card can not be granted; told once for each state of it',
    fields: { gpu: 'string', name: 'string', why: 'string' },
  },
  'gpus-unavailable': {
    level: 'warn',
    when: 'cards can not be looked at, and so not be granted; they are looked at again',
    fields: { why: 'string' },
  },
  quarantined: {
    level: 'error',
    when: 'experiments of several projects failed one after the other for faults of the machine: no more work is taken for a while',
    fields: { cause: 'string', failures: 'number', forMs: 'number' },
  },
  'gpu-quarantined': {
    level: 'error',
    when: 'experiments of several projects failed on one card: it is granted no more for a while',
    fields: { gpu: 'string', failures: 'number', forMs: 'number' },
  },
  'quarantine-ended': {
    level: 'info',
    when: 'the machine, or a card, is tried again',
    fields: { gpu: 'string?' },
  },
  'option-ignored': {
    level: 'warn',
    when: 'an option is understood but has no effect in this release',
    fields: { option: 'string', why: 'string' },
  },
  'http-listening': { level: 'info', when: 'the HTTP address answers', fields: { address: 'string' } },
  'http-unavailable': {
    level: 'warn',
    when: 'the default HTTP address can not be had; the runner goes on without',
    fields: { address: 'string', error: 'string' },
  },
  'broker-connected': {
    level: 'info',
    when: 'a connection to a broker stands',
    fields: { kind: 'string', broker: 'string' },
  },
  'broker-lost': {
    level: 'warn',
    when: 'a connection to a broker ended; it is tried again',
    fields: { kind: 'string', broker: 'string', error: 'string', retryMs: 'number' },
  },
  'broker-blocked': {
    level: 'warn',
    when: 'the broker takes no more publishing',
    fields: { broker: 'string', reason: 'string' },
  },
  'broker-unblocked': { level: 'info', when: 'the broker takes publishing again', fields: { broker: 'string' } },
  'lease-unavailable': {
    level: 'warn',
    when: "the runner may make no queue of its own for work that it holds: a message is held as the broker lets it, and its count of attempts is the broker's",
    fields: { broker: 'string', why: 'string' },
  },
  'discovery-failed': {
    level: 'warn',
    when: 'the list of queues could not be had; the last one stands',
    fields: { kind: 'string', error: 'string' },
  },
  'queue-found': { level: 'info', when: 'a queue is served from now on', fields: { kind: 'string?' } },
  'queue-gone': { level: 'info', when: 'a queue is no longer there', fields: {} },
  'queue-ignored': {
    level: 'warn',
    when: 'a queue is there but can not be served',
    fields: { why: 'string', kind: 'string?' },
  },
  'queue-fault': {
    level: 'error',
    when: "a queue's pipeline failed; it is started again",
    fields: { error: 'string', retryMs: 'number' },
  },
  'queue-backoff': {
    level: 'info',
    when: 'a queue is left alone for a while after a message was given back',
    fields: { delayMs: 'number', why: 'string' },
  },
  'lock-stale': {
    level: 'warn',
    when: "a client's lock file is much older than any write; it is passed over",
    fields: { path: 'string', ageMs: 'number' },
  },
  'key-changed': {
    level: 'info',
    when: 'a file of keys was added, changed or removed; it is in effect',
    fields: { file: 'string', change: 'string' },
  },
  'key-unusable': {
    level: 'warn',
    when: 'a file of keys can not be used; told once for each state of it',
    fields: { file: 'string', why: 'string' },
  },
  'message-taken': {
    level: 'debug',
    when: 'a message was taken from a queue',
    fields: { id: 'string', bytes: 'number' },
  },
  'fingerprint-mismatch': {
    level: 'warn',
    when: 'an envelope names another key than the one that its signature is of; the signature decides',
    fields: { found: 'string', expected: 'string' },
  },
  opened: { level: 'debug', when: 'a sealed message was opened', fields: { durationMs: 'number' } },
  'no-room': {
    level: 'warn',
    when: 'a request needs more than this machine has, or has free',
    fields: { lacking: 'object', ever: 'boolean' },
  },
  admitted: { level: 'info', when: 'resources are reserved', fields: { granted: 'object', waitedMs: 'number' } },
  'fence-failed': {
    level: 'warn',
    when: "the mark that keeps attempts of one experiment apart could not be read or written in the experiment's metadata store; the attempt goes on without",
    fields: { error: 'string' },
  },
  'stood-back': {
    level: 'warn',
    when: 'another attempt of the experiment has begun: this one stores nothing more',
    fields: { cause: 'string', by: 'string', byAttempt: 'number' },
  },
  transferring: {
    level: 'info',
    when: 'a transfer takes longer than a second; told once a second while bytes come. Of what is packed on its way, the bytes before that',
    fields: {
      operation: 'string',
      artifact: 'string',
      doneBytes: 'number',
      totalBytes: 'number?',
      bytesPerSecond: 'number',
    },
  },
  staged: {
    level: 'debug',
    when: 'every input is in place',
    fields: { artifacts: 'number', bytes: 'number', durationMs: 'number' },
  },
  'cache-hit': {
    level: 'debug',
    when: 'an input was brought in from the cache, mounted over it (`overlay`) or copied',
    fields: {
      artifact: 'string',
      object: 'string',
      hash: 'string',
      bytes: 'number',
      by: 'string',
      durationMs: 'number',
    },
  },
  'cache-miss': {
    level: 'debug',
    when: 'an input was not in the cache; it is fetched',
    fields: { artifact: 'string', object: 'string', hash: 'string?', why: 'string' },
  },
  'cache-damaged': {
    level: 'warn',
    when: 'what the cache held is not what was written; it is fetched again',
    fields: { object: 'string', hash: 'string', why: 'string' },
  },
  'cache-evicted': {
    level: 'debug',
    when: 'something was taken out of the cache to make room',
    fields: { hash: 'string', bytes: 'number' },
  },
  'cache-copies': {
    level: 'info',
    when: 'the cache can not be mounted over: each attempt gets a copy, which shares blocks where the file system can',
    fields: { why: 'string' },
  },
  provisioned: {
    level: 'debug',
    when: 'the environment is ready',
    fields: { environment: 'string', built: 'boolean', durationMs: 'number' },
  },
  'environment-built': {
    level: 'info',
    when: 'packages were installed for an experiment, and are shared with those who ask for the same from now on',
    fields: { environment: 'string', packages: 'number', bytes: 'number', durationMs: 'number' },
  },
  'environment-changed': {
    level: 'warn',
    when: 'files of a shared environment were changed, by an experiment that ran in it: it is used no more, and built anew when it is asked for',
    fields: { environment: 'string', what: 'string' },
  },
  'environment-evicted': {
    level: 'info',
    when: 'a shared environment that was not used for long was removed, to keep all of them within their size',
    fields: { environment: 'string', bytes: 'number', leftBytes: 'number' },
  },
  'image-pulling': {
    level: 'info',
    when: 'an image is on its way; told once a second, with the bytes of the layers known so far',
    fields: { image: 'string', doneBytes: 'number', totalBytes: 'number' },
  },
  started: { level: 'info', when: 'the experiment runs', fields: { pid: 'number?' } },
  'directive-skipped': {
    level: 'warn',
    when: 'a line of output looked like a directive and could not be applied (told at most once a second, with the count since)',
    fields: { error: 'string', line: 'string', count: 'number' },
  },
  'checkpoint-clamped': {
    level: 'info',
    when: 'the interval of checkpoints asked for is out of range',
    fields: { askedMs: 'number', usedMs: 'number' },
  },
  checkpointed: {
    level: 'debug',
    when: 'changed artifacts were stored while it runs',
    fields: { artifacts: 'strings', bytes: 'number', durationMs: 'number' },
  },
  'checkpoint-failed': {
    level: 'warn',
    when: 'a checkpoint could not be stored; the next one is tried',
    fields: { error: 'string' },
  },
  ended: {
    level: 'info',
    when: 'the experiment ended, well or not, and what it made is about to be stored',
    fields: {
      cause: 'string',
      message: 'string',
      exitCode: 'number?',
      signal: 'string?',
      durationMs: 'number?',
      limitBytes: 'number?',
      peakBytes: 'number?',
      stderr: 'strings?',
    },
  },
  'store-retry': {
    level: 'warn',
    when: 'a transfer failed and is tried again',
    fields: { operation: 'string', object: 'string', error: 'string', retryMs: 'number', tries: 'number' },
  },
  stored: {
    level: 'debug',
    when: 'everything an attempt made is in the store',
    fields: { artifacts: 'strings', bytes: 'number', durationMs: 'number' },
  },
  'reports-off': {
    level: 'info',
    when: 'experiments of a queue are not reported, since there is no key to seal reports with (told once)',
    fields: { why: 'string' },
  },
  'report-failed': {
    level: 'warn',
    when: 'a report could not be sent; it is tried again (told once, until one was sent)',
    fields: { error: 'string' },
  },
  'reports-lost': {
    level: 'warn',
    when: 'an attempt ended and not all of its reports were sent in time',
    fields: { lost: 'number', error: 'string' },
  },
  cancelled: { level: 'info', when: 'its user has stopped an experiment', fields: { by: 'string' } },
  'record-failed': {
    level: 'warn',
    when: "the experiment's object in the metadata store, or its artifact _status, could not be read or written; it is tried again",
    fields: { error: 'string' },
  },
  'duty-late': {
    level: 'warn',
    when: 'a duty at the end of an attempt takes longer than its deadline',
    fields: { duty: 'string', deadlineMs: 'number' },
  },
  'store-failed': {
    level: 'warn',
    when: 'what an attempt left could not be stored, and its end does not wait for that',
    fields: { error: 'string' },
  },
  expired: { level: 'info', when: 'a request was past its lifetime before it started', fields: { lateMs: 'number' } },
  settled: {
    level: 'info',
    when: 'the queue was told how a message ended',
    fields: {
      settlement: 'string',
      cause: 'string',
      message: 'string',
      delayMs: 'number',
      durationMs: 'number',
      timings: 'object',
    },
  },
  'settle-failed': {
    level: 'warn',
    when: 'the queue could not be told; the message comes back by itself',
    fields: { settlement: 'string', error: 'string' },
  },
  'release-failed': {
    level: 'error',
    when: 'something an attempt held could not be given back',
    fields: { what: 'string', error: 'string' },
  },
  'limits-watched': {
    level: 'warn',
    when: 'limits of experiments can not be left to control groups',
    fields: { why: 'string' },
  },
  'leftovers-ended': {
    level: 'warn',
    when: 'processes were ended that a runner left which died',
    fields: { processes: 'number' },
  },
  'memory-overdrawn': {
    level: 'warn',
    when: 'an experiment uses more memory than it asked for (told once)',
    fields: { askedBytes: 'number', usedBytes: 'number' },
  },
  'kill-incomplete': { level: 'error', when: 'processes of an experiment survive SIGKILL', fields: { pids: 'string' } },
  'slack-failed': {
    level: 'warn',
    when: 'Slack could not be told of an experiment',
    fields: { error: 'string', dropped: 'number' },
  },
  'sink-lost': {
    level: 'warn',
    when: 'an event sink is down or too slow; what it does not take is kept up to a bound, then dropped',
    fields: { sink: 'string', dropped: 'number', error: 'string' },
  },
  'sink-back': {
    level: 'info',
    when: 'an event sink takes events again; so many were dropped meanwhile',
    fields: { sink: 'string', dropped: 'number' },
  },
} as const);

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
