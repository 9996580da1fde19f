import { askRunner } from './ask/ask-runner.ts';

/** Stop an experiment on a running runner as its user would. Exit code: see askRunner. */
export const cancel = (argv: readonly string[]): Promise<number> =>
  askRunner(argv, { command: 'cancel', what: 'the key of one experiment', method: 'POST', path: 'cancel' });
