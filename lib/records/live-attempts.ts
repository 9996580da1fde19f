import type { PreparedAttempt } from '../model/attempt.ts';
import { withoutUrlSecrets } from '../request/without-credentials.ts';
import type { AboutAttempt } from '../telemetry/slack.ts';
import { notNeeded } from '../flow/wait.ts';

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
  /** What the request of an attempt said, for a while after its run too. */
  about(accession: string): AboutAttempt | undefined;
}

/** Attempts that are remembered after their run. */
const mostRemembered = 1000;

const aboutOf = ({ request }: PreparedAttempt): AboutAttempt => {
  const output = request.artifacts.get('output')?.qualified;
  return {
    destination: request.slackDestination,
    results: output === undefined ? undefined : withoutUrlSecrets(output),
  };
};

export const createLiveAttempts = (): LiveAttempts => {
  const live = new Map<string, LiveAttempt>();
  const remembered = new Map<string, AboutAttempt>();
  return {
    attend: (attempt, cancel) => {
      const {
        request,
        identity: { accession },
        workspace,
      } = attempt;
      remembered.set(accession, aboutOf(attempt));
      if (remembered.size > mostRemembered) remembered.delete([...remembered.keys()][0] ?? '');
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
        ended.abort(notNeeded);
      };
    },
    about: accession => remembered.get(accession),
    find: experiment => [...live.values()].filter(one => one.experiment === experiment),
  };
};
