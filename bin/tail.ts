import { askRunner } from './ask/ask-runner.ts';

/** Show what an experiment on a running runner prints, until it ends. Exit code: see askRunner. */
export const tail = (argv: readonly string[]): Promise<number> =>
  askRunner(argv, { command: 'tail', what: 'the key of one experiment', method: 'GET', path: 'tail' });
