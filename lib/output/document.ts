import type { LineBlock, MetadataDocument } from '../model/attempt.ts';
import { readDirective, type Directive } from './directive.ts';
import { Journal } from './journal.ts';
import { weigh, type Json, type JsonObject } from './json.ts';
import { applyJsonPatch } from './json-patch.ts';
import { LogRing } from './log-ring.ts';
import { applyMergePatch } from './merge-patch.ts';
import { LOG_MEMBER, OWN_MEMBER } from './own-members.ts';

export interface DocumentOptions {
  /** Keep every line that is not a directive in /studioml/log. Option SCHEMA_LOGS. */
  readonly schemaLogs?: boolean;
  /** Of the log, about, serialized; the newest lines are kept. */
  readonly maxLogBytes?: number;
  /** Of everything else, estimated in memory; a directive that would make it larger is skipped. */
  readonly maxTreeBytes?: number;
}

const DEFAULTS = { schemaLogs: true, maxLogBytes: 2 * 1024 * 1024, maxTreeBytes: 32 * 1024 * 1024 };

/** The members of an object as JSON, one by one. */
const membersOf = (object: JsonObject, except?: string): string[] =>
  Object.keys(object)
    .filter(name => name !== except)
    .map(name => `${JSON.stringify(name)}:${JSON.stringify(object[name])}`);

class LiveDocument implements MetadataDocument {
  readonly #counts = { lines: 0, applied: 0, skipped: 0 };
  readonly #options: Required<DocumentOptions>;
  readonly #own: JsonObject = {};
  readonly #root: JsonObject = { [OWN_MEMBER]: this.#own };
  readonly #journal = new Journal();
  readonly #ring: LogRing;
  #tellSkipped: (error: string, line: string) => void = () => undefined;

  constructor(options: Required<DocumentOptions>) {
    this.#options = options;
    this.#ring = new LogRing(options.maxLogBytes);
  }

  get counts(): MetadataDocument['counts'] {
    return { ...this.#counts, dropped: this.#ring.dropped };
  }

  stdoutLine(line: string, atMs: number): void {
    const directive = readDirective(line);
    if (directive === undefined) {
      this.stderrLine(line, atMs);
      return;
    }
    this.#counts.lines++;
    this.#ring.passOver();
    const fault = this.#apply(directive, atMs);
    if (fault === undefined) {
      this.#counts.applied++;
    } else {
      this.#counts.skipped++;
      this.#tellSkipped(fault, line);
    }
  }

  stderrLine(line: string, atMs: number): void {
    this.#counts.lines++;
    if (!this.#options.schemaLogs) return;
    this.#ring.pushLine(line, atMs);
  }

  lineBlock(block: LineBlock | undefined, atMs: number): void {
    if (!this.#options.schemaLogs) return;
    if (block) this.#ring.beginBlock(block, atMs);
    else this.#ring.endBlock();
  }

  set(member: string, value: unknown): void {
    // A copy: a directive may append to it, and what the caller gave is the caller's.
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined || member === LOG_MEMBER) return;
    const copy = JSON.parse(text) as Json;
    this.#journal.setMember(this.#own, member, copy, weigh(copy));
    // What the runner says is small and always said.
    this.#journal.commit(Infinity);
  }

  log(message: string, atMs: number): void {
    this.#ring.pushMessage(message, atMs);
  }

  reportSkippedTo(listener: (error: string, line: string) => void): void {
    this.#tellSkipped = listener;
  }

  serialize(): Buffer {
    const log = `${JSON.stringify(LOG_MEMBER)}:[${[...this.#ring.entries()].join(',')}]`;
    const own = `${JSON.stringify(OWN_MEMBER)}:{${[...membersOf(this.#own), log].join(',')}}`;
    return Buffer.from(`{${[...membersOf(this.#root, OWN_MEMBER), own].join(',')}}`);
  }

  #apply(directive: Directive, atMs: number): string | undefined {
    const appended: Json[] = [];
    const fault =
      directive.type === 'merge'
        ? applyMergePatch(this.#root, directive.patch, this.#journal)
        : applyJsonPatch(this.#root, directive.operations, this.#journal, appended);
    if (fault !== undefined) {
      this.#journal.rollback();
      return fault;
    }
    if (!this.#journal.commit(this.#options.maxTreeBytes)) {
      return `the document would be larger than ${this.#options.maxTreeBytes} bytes`;
    }
    if (appended.length > 0) {
      for (const entry of appended) this.#ring.pushEntry(JSON.stringify(entry), atMs);
    }
    return undefined;
  }
}

/**
 * A new metadata document: an object that each directive changes in place, all of it or not at all, and a bounded log.
 * Directives under /studioml may only create or append. What is skipped is counted and told to `reportSkippedTo`.
 * Source: spec "Metadata"; RFC 7396, RFC 6902.
 */
export const createDocument = (options: DocumentOptions = {}): MetadataDocument =>
  new LiveDocument({ ...DEFAULTS, ...options });
