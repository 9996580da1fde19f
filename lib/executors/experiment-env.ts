import { basename, delimiter } from 'node:path';
import type { StagedAttempt } from '../model/attempt.ts';
import { expandEnv } from '../request/effective.ts';
import { openEnv } from '../request/open-env.ts';

export interface ExperimentEnvSettings {
  /** The runner's own environment. */
  readonly runnerEnv: Readonly<Record<string, string | undefined>>;
  /** Names of variables that are passed on; `*` stands for any characters. */
  readonly patterns: readonly string[];
  /** Directories that come first on PATH. */
  readonly bins: readonly string[];
  /** VIRTUAL_ENV */
  readonly virtualEnv: string;
}

const matcherOf = (patterns: readonly string[]): RegExp =>
  new RegExp(
    `^(${patterns.map(one => one.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')).join('|')})$`,
    'i',
  );

/** What of the runner's environment an experiment may see. */
const passedOn = (env: Readonly<Record<string, string>>, patterns: readonly string[]): Record<string, string> => {
  const matches = matcherOf(patterns);
  return Object.fromEntries(Object.entries(env).filter(([name]) => matches.test(name)));
};

/** `STUDIOML_EXPERIMENT`: the name of the attempt's directory, which no other process carries. */
export const markerOf = (attempt: Pick<StagedAttempt, 'workspace'>): string => basename(attempt.workspace.root);

const threadVariables = ['OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'GOTO_NUM_THREADS'];

/**
 * The environment of an experiment: what is passed on of the runner's, the threads it was granted, config.env over both, and what the runner
 * says over all.
 * Source: spec "Environment".
 */
export const experimentEnv = (attempt: StagedAttempt, use: ExperimentEnvSettings): Record<string, string> => {
  const { request, workspace, grant, identity, delivery } = attempt;
  const open = openEnv(use.runnerEnv);
  const cores = String(Math.max(1, Math.floor(grant.amounts.cores)));
  const threads = Object.fromEntries(threadVariables.map(name => [name, cores]));
  // The runner's own numbers of threads are for all that it runs, not for one experiment.
  const given = { ...passedOn(open, use.patterns), ...threads, ...expandEnv(request.env, open) };
  const cards = grant.gpuUuids.length > 0 ? grant.gpuUuids.join(',') : '-1';
  const previous = delivery.history.at(-1);
  return {
    PYTHONUNBUFFERED: '1',
    ...given,
    PATH: [...use.bins, given['PATH'] ?? '/usr/local/bin:/usr/bin:/bin'].join(delimiter),
    VIRTUAL_ENV: use.virtualEnv,
    CUDA_VISIBLE_DEVICES: cards,
    NVIDIA_VISIBLE_DEVICES: cards,
    AWS_SDK_LOAD_CONFIG: '1',
    STUDIOML_EXPERIMENT: markerOf(attempt),
    STUDIOML_HOME: workspace.home,
    TMPDIR: workspace.tmp,
    ...(identity.number > 1
      ? { STUDIOML_ATTEMPT: String(identity.number), STUDIOML_PREVIOUS_FAILURE: previous?.cause ?? 'runner-died' }
      : {}),
  };
};
