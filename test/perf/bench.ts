/** One figure of a bench, beside what it has to reach. */
export interface Row {
  readonly name: string;
  readonly measured: number;
  readonly unit: string;
  /** As people read it: `>= 0.5`. */
  readonly reach: string;
  readonly ok: boolean;
  readonly detail?: string;
}

/** A bench makes what it needs, measures, and leaves nothing behind. */
export interface Bench {
  readonly name: string;
  run(): Promise<Row[]>;
}
