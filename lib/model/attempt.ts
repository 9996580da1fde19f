import type { Readable } from 'node:stream';
import type { Delivery, QueueName } from './delivery.ts';
import type { Message } from './envelope.ts';
import type { Request } from './experiment.ts';
import type { Cause, End, Exit } from './outcome.ts';
import type { Grant } from './resources.ts';
import type { Workspace } from './workspace.ts';

/** Who this attempt is: made when its message is taken. */
export interface AttemptIdentity {
  /** `<host>-<6 random base62>-<base62 start seconds>`: names the attempt and its scrape file. */
  readonly accession: string;
  /** 1 for the first. */
  readonly number: number;
  readonly host: string;
  readonly startedAtMs: number;
}

/** What an attempt holds and gives back at its end, last taken first, each once, whatever happened. */
export interface AttemptScope {
  /** `release` runs once, when the scope closes; added to a closed scope it runs at once. Its failure is an event. */
  add(name: string, release: () => void | Promise<void>): void;
  /** Give everything back, last taken first. Idempotent; called by settle. */
  close(): Promise<void>;
}

/** The right to hold one delivery that is not admitted yet. Goes back once; a second call does nothing. */
export interface Credit {
  release(): void;
}

/** A delivery, and the credit it was taken with. */
export interface PulledDelivery {
  readonly delivery: Delivery;
  readonly credit: Credit;
  /** To be called once it has started, or never will: what can wait lets it pass until then. */
  readonly through?: () => void;
}

/** What an attempt writes into the store to be seen by all others of its experiment, whoever runs them. Times are RFC 3339. */
export interface FenceMark {
  readonly attempt: number;
  readonly accession: string;
  /** `done`: the experiment is finished for good. `ended`: this attempt is over, others may follow. */
  readonly state: 'running' | 'done' | 'ended';
  /** Where its message came from, by kind and name. */
  readonly queue?: string;
  /** When the state was reached. */
  readonly at: string;
  /** A running attempt has renewed this by then, or has died, or its store could not be written to. */
  readonly renewBy?: string;
  /** A running attempt is over by then, whatever happened to it. */
  readonly until?: string;
  /** The time_added of the request: the same key submitted once more is another run. */
  readonly submitted?: number;
}

/** The fence of an experiment while this attempt has its mark there. Made by stages/fence.ts. */
export interface AttemptFence {
  /** The mark of another attempt that stands there by now; undefined while it is ours, or gone. Errors: StoreError. */
  look(signal: AbortSignal): Promise<FenceMark | undefined>;
  /** Write how this attempt ended. Errors: StoreError, `precondition` where another attempt's mark stands there. */
  end(state: 'done' | 'ended', signal: AbortSignal): Promise<void>;
}
/** A part of an attempt's time. */
export type SpanName = 'opened' | 'admitted' | 'staged' | 'environment' | 'run' | 'stored';

/** What is known of an attempt so far. Written by the stages as they learn it, read by whoever speaks of it: events, settle. */
export interface AttemptRecord {
  queue: string;
  attempt: string;
  experiment?: string;
  project?: string;
  request?: Request;
  /** Of a message that could not be opened: what it says in clear. */
  timeAddedSeconds?: number;
  /** Who is told of it while it goes on; absent where nobody listens. */
  reports?: AttemptReports;
  /** Whether something was started: from then on an end is counted. */
  began: boolean;
  /** UUIDs of the cards that it was granted. */
  gpus?: readonly string[];
  /** Absent where the request names no metadata store, or it does not answer. */
  fence?: AttemptFence;
  /** Parts that are over, in their order: each began where the one before it ended. */
  spans?: { readonly name: SpanName; readonly endedAtMs: number }[];
}

/** Tells a listener of one attempt. Calls never throw, never wait, and what they keep is bounded. Implemented in lib/reports. */
export interface AttemptReports {
  /** Its resources are reserved. */
  begun(): void;
  /** The experiment runs. */
  started(atMs: number): void;
  stdoutLine(line: string, atMs: number): void;
  stderrLine(line: string, atMs: number): void;
  /** How it ended. Resolves when that was told or given up, in bounded time; a second call is the first. Never rejects. */
  finish(end: End): Promise<void>;
  /** Let go of what was not told. */
  close(): void;
}

/** A message that was taken: it has a name and a scope. */
export interface TakenAttempt extends PulledDelivery {
  readonly identity: AttemptIdentity;
  readonly scope: AttemptScope;
  readonly record: AttemptRecord;
  /** Aborts when this attempt must stop: the runner ends, the message is lost. The reason is an AttemptError. */
  readonly signal: AbortSignal;
}

/** A message that may be opened: its queue's sender has signed it, or it is clear text where that is accepted. */
export interface VerifiedAttempt extends TakenAttempt {
  readonly content: Message;
}

/** A message that was read: clear text, whether it came sealed or not. */
export interface OpenedAttempt extends TakenAttempt {
  /** The JSON of the request, parsed once; its members are not checked yet. */
  readonly message: Readonly<Record<string, unknown>>;
  readonly sealed: boolean;
}

/** Its secrets are known to whoever tells of it. */
export interface GuardedAttempt extends OpenedAttempt {
  /** Values in the request that nobody else may see. */
  readonly secrets: readonly string[];
}

/** Its request is understood. */
export interface RequestedAttempt extends GuardedAttempt {
  readonly request: Request;
}

/** Its resources are reserved. */
export interface AdmittedAttempt extends RequestedAttempt {
  readonly grant: Grant;
}

/** It has its directories and its metadata document: from here on there is something to store, however it ends. */
export interface PreparedAttempt extends AdmittedAttempt {
  readonly workspace: Workspace;
  readonly document: MetadataDocument;
  readonly experimentRecord: ExperimentRecord;
}

/** Its input artifacts are in place. */
export interface StagedAttempt extends PreparedAttempt {
  readonly stagedAtMs: number;
}

/** What to start: an argv, never a shell line. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Its environment is there; it could be started now. */
export interface ReadyAttempt extends StagedAttempt {
  readonly command: Command;
  readonly readyAtMs: number;
}

/** A started experiment. */
export interface Run {
  readonly pid: number | undefined;
  readonly startedAtMs: number;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when the process and all its descendants are gone. Never rejects. */
  readonly exit: Promise<Exit>;
  /** Ask for its end: SIGTERM to everything it started, the grace, SIGKILL. `exit.stoppedBy` tells the first cause. Never throws. */
  stop(cause: Cause): void;
}

/** It runs. */
export interface RunningAttempt extends ReadyAttempt {
  readonly run: Run;
}

/** It runs (a snapshot worth a checkpoint) or, with `end`, it has ended, well or not. Always the same live document. */
export interface ObservedAttempt extends PreparedAttempt {
  readonly run?: Run;
  /** Of a snapshot: labels of the artifacts whose checkpoint is due. */
  readonly due?: ReadonlySet<string>;
  readonly end?: End;
}

/** Everything it made is stored. */
export interface StoredAttempt extends PreparedAttempt {
  readonly end: End;
}

/** Everything is done but telling the queue. An attempt that ends early comes here with what it has: an identity and an end. */
export interface FinishedAttempt extends TakenAttempt {
  readonly end: End;
}

/** What is left of an attempt when its message is settled. */
export interface Settled {
  readonly queue: QueueName;
  readonly identity: AttemptIdentity;
  /** Absent where the message never became a request. */
  readonly experiment?: string;
  readonly project?: string;
  readonly end: End;
  readonly settlement: 'accept' | 'release' | 'retry' | 'reject' | 'none';
  /** Whether the queue was told; if not, the message comes back by itself. */
  readonly told: boolean;
  /** How long this runner leaves the queue alone after a release, ms. */
  readonly delayMs: number;
}

/** Lines of output that came together, kept as they came; read when they are needed. */
export interface LineBlock {
  /** What it takes in memory. */
  readonly bytes: number;
  /** The lines, as they are told one by one. */
  read(): readonly string[];
}

/** What became of an experiment, as far as its record says it. Times in ms since the epoch. */
export interface RecordChange {
  readonly status?: 'waiting' | 'running' | 'finished';
  readonly startedAtMs?: number;
  readonly checkpointedAtMs?: number;
  readonly finishedAtMs?: number;
}

/**
 * The experiment's object in the metadata store, by which its user's own tools know it. Calls never reject; a store that fails is told
 * by an event. Implemented in lib/records/experiment-record.ts.
 */
export interface ExperimentRecord {
  /** Whether its user has stopped it; false where that can't be told. */
  isStopped(signal: AbortSignal): Promise<boolean>;
  /** Write a change and those that could not be written before; resolves when that was tried, `tries` times where it must be. */
  set(change: RecordChange, tries?: number): Promise<void>;
  /** Write a change within about a second, or together with the next one: what is over by then costs one call less. */
  setSoon(change: RecordChange): void;
}

/**
 * The metadata document while it grows. Calls never throw and cost the same however large the document is; what cannot be
 * applied is counted and told. Implemented in lib/output/document.ts.
 */
export interface MetadataDocument {
  /** One line of stdout (`directive` when it is JSON) or stderr, without its newline. `atMs` since the epoch, fractions count. */
  stdoutLine(line: string, atMs: number): void;
  stderrLine(line: string, atMs: number): void;
  /** The lines that follow are those of this block, up to undefined. May be left out: a log keeps a block for less than its lines. */
  lineBlock(block: LineBlock | undefined, atMs: number): void;
  /** Set a member under /studioml that the runner owns: `set('status', 'running')`. */
  set(member: string, value: unknown): void;
  /** Append a line to /studioml/log. */
  log(message: string, atMs: number): void;
  /** Who is told of directives that could not be applied, each with its reason; one listener, the last one given. */
  reportSkippedTo(listener: (error: string, line: string) => void): void;
  /** The document as UTF-8 JSON. */
  serialize(): Buffer;
  /** What was read and applied so far. */
  readonly counts: {
    readonly lines: number;
    readonly applied: number;
    readonly skipped: number;
    readonly dropped: number;
  };
}
