import type { LineBlock } from '../model/attempt.ts';
import { rfc3339 } from './rfc3339.ts';

/** What an entry takes in the serialized log beside its words: `{"ts":"…","msg":""},`. */
const ENTRY_BYTES = 55;
/** What a sealed segment takes in memory beside its words. */
const SEGMENT_BYTES = 200;
/** Characters after which a segment is sealed though its time goes on. */
const SEGMENT_CHARACTERS = 65_536;
const HEAD_BYTES = 65_536;

/** Lines of one moment, as bytes: a part of a string would keep the whole chunk it was cut from. */
interface Segment {
  readonly atMs: number;
  readonly lines: number;
  readonly bytes: number;
  /** Whether the lines are entries that are JSON already, or words. */
  readonly type: 'words' | 'entries';
  readonly read: () => readonly string[];
}

/** A block whose lines are coming. */
interface OpenBlock {
  readonly block: LineBlock;
  readonly atMs: number;
  /** Lines that came, and the indexes of those that are not for the log. */
  lines: number;
  readonly passedOver: number[];
}

const readLines = (content: Buffer) => () => content.toString().split('\n');

const readBlock = (block: LineBlock, passedOver: readonly number[]) => () => {
  let next = 0;
  return block.read().filter((_line, index) => {
    if (passedOver[next] !== index) return true;
    next++;
    return false;
  });
};

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
  #block: OpenBlock | undefined;
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
    if (this.#block) {
      this.#block.lines++;
      return;
    }
    if (atMs !== this.#openAtMs || this.#openCharacters > SEGMENT_CHARACTERS) this.#seal();
    this.#headOpen = false;
    this.#openAtMs = atMs;
    this.#open.push(line);
    this.#openCharacters += line.length;
  }

  /** A line of output came that is not for the log. */
  passOver(): void {
    if (this.#block) this.#block.passedOver.push(this.#block.lines++);
  }

  /** The lines that are pushed or passed over from now on are those of this block. */
  beginBlock(block: LineBlock, atMs: number): void {
    this.#seal();
    this.#block = { block, atMs, lines: 0, passedOver: [] };
  }

  /** The block's last line has come. */
  endBlock(): void {
    const open = this.#block;
    if (!open) return;
    this.#block = undefined;
    const { block, atMs, passedOver } = open;
    const lines = open.lines - passedOver.length;
    if (lines === 0) return;
    this.#headOpen = false;
    const read = readBlock(block, passedOver);
    // A block that is for the most part something else is not worth its memory.
    if (lines < passedOver.length) this.#pushLines(read(), atMs);
    else this.#keep({ atMs, lines, bytes: block.bytes + lines * ENTRY_BYTES + SEGMENT_BYTES, type: 'words', read });
  }

  /** Append a message of the runner. */
  pushMessage(message: string, atMs: number): void {
    this.pushEntry(entryOf(message, rfc3339(atMs)), atMs);
  }

  /** Append an entry that is JSON already, without a newline. */
  pushEntry(json: string, atMs: number): void {
    this.#breakBlock();
    this.#seal();
    if (this.#headOpen && this.#headBytes + json.length <= HEAD_BYTES) {
      this.#head.push(json);
      this.#headBytes += json.length;
      return;
    }
    const content = Buffer.from(json);
    this.#keep({ atMs, lines: 1, bytes: content.length + SEGMENT_BYTES, type: 'entries', read: readLines(content) });
  }

  /** Every entry as JSON, oldest first, with one that says what is missing where something is. */
  *entries(): Generator<string> {
    this.#seal();
    yield* this.#head;
    if (this.#dropped > 0) {
      yield entryOf(`${this.#dropped} earlier lines are not kept here`, rfc3339(this.#droppedAtMs));
    }
    for (let at = this.#first; at < this.#segments.length; at++) {
      const { type, atMs, read } = this.#segments[at] as Segment;
      const ts = rfc3339(atMs);
      for (const line of read()) yield type === 'entries' ? line : entryOf(line, ts);
    }
  }

  #pushLines(lines: readonly string[], atMs: number): void {
    for (const line of lines) this.pushLine(line, atMs);
  }

  /** Something comes between the lines of the block: those that came are kept by themselves, and those that follow. */
  #breakBlock(): void {
    const open = this.#block;
    if (!open) return;
    this.#block = undefined;
    const { block, atMs, lines, passedOver } = open;
    const came = { ...block, read: () => block.read().slice(0, lines) };
    this.#pushLines(readBlock(came, passedOver)(), atMs);
  }

  #seal(): void {
    if (this.#open.length === 0) return;
    const content = Buffer.from(this.#open.join('\n'));
    const lines = this.#open.length;
    const bytes = content.length + lines * ENTRY_BYTES + SEGMENT_BYTES;
    this.#keep({ atMs: this.#openAtMs, lines, bytes, type: 'words', read: readLines(content) });
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
