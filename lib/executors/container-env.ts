import type { StagedAttempt } from '../model/attempt.ts';
import { experimentEnv } from './experiment-env.ts';

export interface ContainerEnvSettings {
  readonly runnerEnv: NodeJS.ProcessEnv;
  /** EXPERIMENT_ENV */
  readonly patterns: readonly string[];
}

/** What says where things are on this machine, and would be wrong in an image. */
const ofThisMachine = /^(PATH|HOME|LD_LIBRARY_PATH|CUDA_.*|NVIDIA_.*|SSL_CERT_.*|.*_CA_BUNDLE)$/i;

/**
 * The environment of an experiment in a container: as elsewhere, less what is true of this machine only; what the image says of
 * PATH stays. HOME is a directory that it may write to.
 * Source: spec "Environment".
 */
export const containerEnv = (
  attempt: StagedAttempt,
  { runnerEnv, patterns }: ContainerEnvSettings,
): Record<string, string> => {
  const here = Object.fromEntries(Object.entries(runnerEnv).filter(([name]) => !ofThisMachine.test(name)));
  const all = experimentEnv(attempt, { runnerEnv: here, patterns, bins: [], virtualEnv: '' });
  const { PATH: path = '', VIRTUAL_ENV: _none, ...env } = all;
  return {
    HOME: attempt.workspace.tmp,
    ...env,
    ...('PATH' in attempt.request.env ? { PATH: path } : {}),
    // Of NVIDIA's container runtime: none.
    ...(attempt.grant.gpuUuids.length > 0 ? {} : { NVIDIA_VISIBLE_DEVICES: 'void' }),
  };
};
