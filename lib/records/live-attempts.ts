import type { PreparedAttempt } from '../model/attempt.ts';

/** An attempt that can be looked at and cancelled. */
export interface LiveAttempt {
  readonly experiment: string;
  readonly accession: string;
  readonly outputFile: string;
  /** Aborts when its run is over and everything stands in its output. */
  readonly ended: AbortSignal;
  /** @param by who asks, for events */
  cancel(by: string): void;
}

/** The attempts of this runner that are between their first directory and the end of their run. */
export interface LiveAttempts {
  /** Returns how to say that the run is over. */
  readonly attend: (attempt: PreparedAttempt, cancel: (by: string) => void) => () => void;
  /** Those of one experiment: two queues may have one of the same key. */
  find(experiment: string): readonly LiveAttempt[];
}

export const createLiveAttempts = (): LiveAttempts => {
  const live = new Map<string, LiveAttempt>();
  return {
    attend: ({ request, identity: { accession }, workspace }, cancel) => {
      const ended = new AbortController();
      live.set(accession, {
        experiment: request.key,
        accession,
        outputFile: workspace.outputFile,
        ended: ended.signal,
        cancel,
      });
      return () => {
        live.delete(accession);
        ended.abort();
      };
    },
    find: experiment => [...live.values()].filter(one => one.experiment === experiment),
  };
};
