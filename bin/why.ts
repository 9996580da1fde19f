import { askRunner } from './ask/ask-runner.ts';

/** Ask a running runner what a queue waits for. Exit code: see askRunner. */
export const why = (argv: readonly string[]): Promise<number> =>
  askRunner(argv, { command: 'why', what: 'the name of one queue', method: 'GET', path: 'why' });
