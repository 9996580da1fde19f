export interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The assertions that a run of tap counted, from the TAP that it wrote: its closing comment `# { total: 3, pass: 2, fail: 1 }`.
 *  Indented ones are those of subtests. Without that line tap did not come to its end: nothing passed. */
export const summary = (tap: string): Summary => {
  const closing = tap.match(/^# \{ total: .*\}$/gm)?.at(-1);
  const count = (name: string): number => Number(closing?.match(new RegExp(`\\b${name}: (\\d+)`))?.[1] ?? 0);
  return {
    passed: count('pass'),
    failed: closing === undefined ? 1 : count('fail'),
    skipped: count('skip') + count('todo'),
  };
};
