import type { Run } from '../../model/attempt.ts';
import type { Exit } from '../../model/outcome.ts';
import type { Grant } from '../../model/resources.ts';

/**
 * A run that failed on cards is looked at: where a card is gone, has errors or can't be asked for any more, that is why, and not the
 * experiment's fault.
 */
export const judgedRun = (run: Run, { gpuUuids, cardFault }: Pick<Grant, 'gpuUuids' | 'cardFault'>): Run => {
  if (gpuUuids.length === 0 || !cardFault) return run;
  const judge = async (exit: Exit): Promise<Exit> => {
    if (exit.code === 0 || exit.stoppedBy !== undefined) return exit;
    return (await cardFault()) ? { ...exit, stoppedBy: 'gpu-fault' } : exit;
  };
  return { ...run, exit: run.exit.then(judge) };
};
