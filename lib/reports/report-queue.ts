/** What a report says. Times in ms since the epoch. */
export type Payload =
  | {
      readonly type: 'log';
      readonly severity: 'Debug' | 'Info' | 'Warning' | 'Error';
      readonly message: string;
      readonly fields?: Readonly<Record<string, string>>;
    }
  /** A line of JSON that the experiment printed. */
  | { readonly type: 'progress'; readonly json: string }
  | {
      readonly type: 'state';
      readonly state: 'Started' | 'Failed' | 'Success';
      readonly error?: { readonly msg: string; readonly code?: number };
    };

export interface WaitingReport {
  readonly atMs: number;
  readonly payload: Payload;
}

interface Entry extends WaitingReport {
  readonly number: number;
  readonly characters: number;
}

/** What may wait of lines, and of progress, each. */
const maxEntries = 1000;
const maxCharacters = 512 * 1024;
/** Longer lines are cut, longer JSON is sent as a line. */
const maxLineCharacters = 16 * 1024;
export const maxJsonCharacters = 64 * 1024;

/** A string of its own: a part of a string would keep the whole chunk it was cut from. */
const copyOf = (text: string): string => Buffer.from(text).toString();

const cut = (line: string): string =>
  line.length > maxLineCharacters ? `${line.slice(0, maxLineCharacters).toWellFormed()}…` : line;

class Bounded {
  readonly entries: Entry[] = [];
  #characters = 0;

  hasRoom(characters: number): boolean {
    return this.entries.length < maxEntries && this.#characters + characters <= maxCharacters;
  }

  push(entry: Entry): void {
    this.#characters += entry.characters;
    this.entries.push(entry);
  }

  shift(): Entry | undefined {
    const entry = this.entries.shift();
    if (entry) this.#characters -= entry.characters;
    return entry;
  }

  clear(): void {
    this.entries.length = 0;
    this.#characters = 0;
  }
}

/**
 * Reports of one attempt that wait for their listener, in order, in bounded memory. What an experiment prints while the room
 * for lines is used up is counted and not kept, which costs next to nothing; a line that says how many stands in their place. Of
 * progress the newest is kept, and how the attempt stands always.
 */
export class ReportQueue {
  readonly #lines = new Bounded();
  readonly #progress = new Bounded();
  readonly #states: Entry[] = [];
  #number = 0;
  #leftOut = 0;

  get size(): number {
    return this.#lines.entries.length + this.#progress.entries.length + this.#states.length;
  }

  pushLine(severity: 'Info' | 'Error', line: string, atMs: number): void {
    const characters = Math.min(line.length, maxLineCharacters);
    if (!this.#lines.hasRoom(characters)) {
      this.#leftOut++;
      return;
    }
    this.#tellLeftOut(atMs);
    this.#lines.push(this.#entry({ type: 'log', severity, message: copyOf(cut(line)) }, atMs, characters));
  }

  pushProgress(json: string, atMs: number): void {
    while (!this.#progress.hasRoom(json.length)) this.#progress.shift();
    this.#progress.push(this.#entry({ type: 'progress', json: copyOf(json) }, atMs, json.length));
  }

  /** How the attempt stands, or what the runner itself says of it. */
  pushState(payload: Payload, atMs: number): void {
    this.#tellLeftOut(atMs);
    this.#states.push(this.#entry(payload, atMs, 0));
  }

  /** The next one, in the order they came. */
  take(): WaitingReport | undefined {
    const heads = [this.#lines.entries[0], this.#progress.entries[0], this.#states[0]];
    const numbers = heads.map(head => head?.number ?? Infinity);
    const least = Math.min(...numbers);
    if (least === Infinity) return undefined;
    if (least === numbers[0]) return this.#lines.shift();
    if (least === numbers[1]) return this.#progress.shift();
    return this.#states.shift();
  }

  /** Let go of what the experiment printed. Out: how much that was. */
  dropOutput(): number {
    const count = this.#lines.entries.length + this.#progress.entries.length + this.#leftOut;
    this.#lines.clear();
    this.#progress.clear();
    this.#leftOut = 0;
    return count;
  }

  clear(): void {
    this.dropOutput();
    this.#states.length = 0;
  }

  #entry(payload: Payload, atMs: number, characters: number): Entry {
    return { number: this.#number++, payload, atMs, characters };
  }

  #tellLeftOut(atMs: number): void {
    if (this.#leftOut === 0) return;
    const message = `${String(this.#leftOut)} lines were left out`;
    this.#leftOut = 0;
    this.#lines.push(this.#entry({ type: 'log', severity: 'Warning', message }, atMs, message.length));
  }
}
