import type { Options } from '../../lib/config/options.ts';

/** What a check found. */
export interface Finding {
  readonly status: 'ok' | 'warning' | 'failure';
  /** What is there. Free of secrets. */
  readonly found: string;
  /** What should be there, where it isn't. */
  readonly expected?: string;
  /** What a person can do about it. */
  readonly remedy?: string;
}

/** One thing that the runner needs, looked at. What it throws is a failure. */
export interface Check {
  readonly name: string;
  run(options: Options, signal: AbortSignal): Promise<Finding>;
}
