import { rfc3339 } from './rfc3339.ts';

/** What an entry takes in the serialized log beside its words: `{"ts":"…","msg":""},`. */
const ENTRY_BYTES = 55;
/** What a sealed segment takes in memory beside its words. */
const SEGMENT_BYTES = 200;
/** Characters after which a segment is sealed though its time goes on. */
const SEGMENT_CHARACTERS = 65_536;
const HEAD_BYTES = 65_536;

/** Lines of one moment, joined by newlines, as bytes: a part of a string would keep the whole chunk it was cut from. */
interface Segment {
  readonly atMs: number;
  readonly lines: number;
  readonly bytes: number;
  /** Words of the lines, or entries that are JSON already, one a line. */
  readonly type: 'words' | 'entries';
  readonly content: Buffer;
}

const entryOf = (message: string, ts: string): string => `{"ts":"${ts}","msg":${JSON.stringify(message)}}`;

/**
 * The log of a metadata document: what was appended last, within a bound. What came before the first line of output (how the
 * attempt began) stays. Lines are kept as they came, with one time a segment, and formatted when the document is serialized.
 */
export class LogRing {
  readonly #limitBytes: number;
  readonly #head: string[] = [];
  #headBytes = 0;
  #segments: (Segment | undefined)[] = [];
  /** Index of the oldest segment that is still kept; the array is cut now and then, not at every drop. */
  #first = 0;
  #bytes = 0;
  #open: string[] = [];
  #openCharacters = 0;
  #openAtMs = 0;
  #headOpen = true;
  #dropped = 0;
  #droppedAtMs = 0;

  /** @param limitBytes of the serialized log, about */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Entries that are no longer there. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Append a line of output: no newline in it. */
  pushLine(line: string, atMs: number): void {
    if (atMs !== this.#openAtMs || this.#openCharacters > SEGMENT_CHARACTERS) this.#seal();
    this.#headOpen = false;
    this.#openAtMs = atMs;
    this.#open.push(line);
    this.#openCharacters += line.length;
  }

  /** Append a message of the runner. */
  pushMessage(message: string, atMs: number): void {
    this.pushEntry(entryOf(message, rfc3339(atMs)), atMs);
  }

  /** Append an entry that is JSON already, without a newline. */
  pushEntry(json: string, atMs: number): void {
    this.#seal();
    if (this.#headOpen && this.#headBytes + json.length <= HEAD_BYTES) {
      this.#head.push(json);
      this.#headBytes += json.length;
      return;
    }
    const content = Buffer.from(json);
    this.#keep({ atMs, lines: 1, bytes: content.length + SEGMENT_BYTES, type: 'entries', content });
  }

  /** Every entry as JSON, oldest first, with one that says what is missing where something is. */
  *entries(): Generator<string> {
    this.#seal();
    yield* this.#head;
    if (this.#dropped > 0) {
      yield entryOf(`${this.#dropped} earlier lines are not kept here`, rfc3339(this.#droppedAtMs));
    }
    for (let at = this.#first; at < this.#segments.length; at++) {
      const { type, atMs, content } = this.#segments[at] as Segment;
      const lines = content.toString().split('\n');
      if (type === 'entries') {
        yield* lines;
      } else {
        const ts = rfc3339(atMs);
        for (const line of lines) yield entryOf(line, ts);
      }
    }
  }

  #seal(): void {
    if (this.#open.length === 0) return;
    const content = Buffer.from(this.#open.join('\n'));
    const lines = this.#open.length;
    const bytes = content.length + lines * ENTRY_BYTES + SEGMENT_BYTES;
    this.#keep({ atMs: this.#openAtMs, lines, bytes, type: 'words', content });
    this.#open = [];
    this.#openCharacters = 0;
  }

  #keep(segment: Segment): void {
    this.#segments.push(segment);
    this.#bytes += segment.bytes;
    while (this.#bytes > this.#limitBytes && this.#first < this.#segments.length - 1) {
      const oldest = this.#segments[this.#first] as Segment;
      this.#segments[this.#first] = undefined;
      this.#first++;
      this.#bytes -= oldest.bytes;
      this.#dropped += oldest.lines;
      this.#droppedAtMs = oldest.atMs;
    }
    if (this.#first > 1024 && this.#first * 2 > this.#segments.length) {
      this.#segments = this.#segments.slice(this.#first);
      this.#first = 0;
    }
  }
}
