import { AttemptError } from '../errors.ts';
import type { StagedAttempt } from '../model/attempt.ts';
import type { Artifact } from '../model/experiment.ts';
import type { ObjectLocation } from '../storage/object-store.ts';
import { createConfined, type ConfinedSettings } from './confined.ts';
import { containerEnv } from './container-env.ts';
import { fetchImageFile } from './docker/load-image.ts';
import type { Executor } from './executor.ts';
import { imageOf } from './image.ts';
import { imageLocation, programInImage, trustedImage } from './image-program.ts';

export interface ApptainerSettings extends ConfinedSettings {
  /** `apptainer` or `singularity` on PATH; undefined where there is neither. */
  readonly executable: string | undefined;
  /** IMAGE_ALLOW */
  readonly imageAllow: readonly string[];
  readonly locate: (artifact: Artifact, attempt: StagedAttempt) => ObjectLocation | undefined;
  readonly runnerEnv: NodeJS.ProcessEnv;
  /** EXPERIMENT_ENV */
  readonly experimentEnv: readonly string[];
}

/**
 * argv after the executable: `exec` of a program, or `run` of the image's own runscript. The attempt's directory is at the same path
 * inside, the machine's home is not there; `--nv` hands the cards' driver on.
 * Source: apptainer user guide, apptainer-exec(1), apptainer-run(1).
 */
export const apptainerArgs = (parts: {
  readonly image: string;
  readonly root: string;
  readonly cwd: string;
  readonly hasGpus: boolean;
  /** With its interpreter; undefined: the runscript, with these arguments. */
  readonly program: readonly string[] | undefined;
  readonly args: readonly string[];
}): readonly string[] => [
  parts.program ? 'exec' : 'run',
  '--no-home',
  '--bind',
  `${parts.root}:${parts.root}`,
  '--pwd',
  parts.cwd,
  ...(parts.hasGpus ? ['--nv'] : []),
  parts.image,
  ...(parts.program ?? parts.args),
];

/**
 * Runs experiments in images of Apptainer (Singularity): `shub://`, `.sif`, `.simg`. It starts no daemon: what it starts is held within the
 * limits of any program. Source: spec "Container".
 */
export const createApptainerExecutor = (use: ApptainerSettings): Executor => {
  const confined = createConfined(use);
  return {
    kind: 'apptainer',
    accepts: request => ['shub', 'sif'].includes(imageOf(request)?.type ?? ''),
    provision: async attempt => {
      const { request, workspace, grant } = attempt;
      const image = trustedImage(attempt, use);
      if (use.executable === undefined)
        throw new AttemptError('engine-fault', 'the image needs apptainer or singularity, and neither is on PATH', {
          image: image.artifact.qualified,
        });
      const program = programInImage(attempt);
      const uri =
        image.type === 'shub'
          ? image.uri
          : await fetchImageFile(imageLocation(image, attempt, use.locate), 'image.sif', attempt, use.emit);
      return {
        file: use.executable,
        args: apptainerArgs({
          image: uri,
          root: workspace.root,
          cwd: workspace.workspace,
          hasGpus: grant.gpuUuids.length > 0,
          program: program && [program.python, ...program.args],
          args: request.args,
        }),
        cwd: workspace.workspace,
        env: {
          // For the helpers that it starts on this machine; inside the image's own holds.
          PATH: use.runnerEnv['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
          ...containerEnv(attempt, { runnerEnv: use.runnerEnv, patterns: use.experimentEnv }),
        },
      };
    },
    start: async attempt => {
      await confined.handOver(attempt);
      return confined.start(attempt, attempt.command);
    },
  };
};
