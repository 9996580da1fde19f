/** Between two reports, ms. Source: event `directive-skipped`. */
const INTERVAL_MS = 1000;
const SHOWN_CHARACTERS = 500;

export interface SkippedReport {
  readonly error: string;
  readonly line: string;
  /** Directives skipped since the last report, this one included. */
  readonly count: number;
}

/** Tells of skipped directives at most once a second, with the latest one and how many there were. */
export class SkipReporter {
  readonly #tell: (report: SkippedReport) => void;
  readonly #now: () => number;
  #count = 0;
  #error = '';
  #line = '';
  #toldAtMs = -Infinity;

  constructor(tell: (report: SkippedReport) => void, now: () => number) {
    this.#tell = tell;
    this.#now = now;
  }

  skipped(error: string, line: string): void {
    this.#count++;
    this.#error = error;
    this.#line = line;
    if (this.#now() - this.#toldAtMs >= INTERVAL_MS) this.flush();
  }

  /** Tell now what was not told yet. */
  flush(): void {
    if (this.#count === 0) return;
    const line = this.#line.length > SHOWN_CHARACTERS ? `${this.#line.slice(0, SHOWN_CHARACTERS)}…` : this.#line;
    this.#tell({ error: this.#error, line, count: this.#count });
    this.#count = 0;
    this.#toldAtMs = this.#now();
  }
}
