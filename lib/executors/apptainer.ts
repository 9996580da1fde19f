import { AttemptError } from '../errors.ts';
import type { StagedAttempt } from '../model/attempt.ts';
import type { Artifact } from '../model/experiment.ts';
import type { ObjectLocation } from '../storage/object-store.ts';
import type { Emit } from '../telemetry/events.ts';
import { containerEnv } from './container-env.ts';
import { fetchImageFile } from './docker/load-image.ts';
import type { Executor } from './executor.ts';
import { markerOf } from './experiment-env.ts';
import { imageOf, isTrusted } from './image.ts';
import { startProcess } from './process.ts';
import { longestRunMs, programOf } from './program.ts';
import { commandAs, handOver, type RunAs } from './run-as.ts';

export interface ApptainerSettings {
  /** `apptainer` or `singularity` on PATH; undefined where there is neither. */
  readonly executable: string | undefined;
  /** IMAGE_ALLOW */
  readonly imageAllow: readonly string[];
  readonly locate: (artifact: Artifact, attempt: StagedAttempt) => ObjectLocation | undefined;
  readonly runnerEnv: NodeJS.ProcessEnv;
  /** EXPERIMENT_ENV */
  readonly experimentEnv: readonly string[];
  readonly terminationGraceMs: number;
  /** EXPERIMENT_USER */
  readonly runAs?: RunAs | undefined;
  /** Its abort kills what runs at once. */
  readonly kill: AbortSignal;
  readonly emit: Emit;
  readonly now: () => number;
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

/** Runs experiments in images of Apptainer (Singularity): `shub://`, `.sif`, `.simg`. Source: spec "Container". */
export const createApptainerExecutor = (use: ApptainerSettings): Executor => ({
  kind: 'apptainer',
  accepts: request => ['shub', 'sif'].includes(imageOf(request)?.type ?? ''),
  provision: async attempt => {
    const { request, workspace, grant } = attempt;
    const image = imageOf(request);
    const named = image?.artifact.qualified;
    if (!image || !isTrusted(image, use.imageAllow))
      throw new AttemptError('image-denied', 'the image is not among those that IMAGE_ALLOW trusts', { image: named });
    if (use.executable === undefined)
      throw new AttemptError('engine-fault', 'the image needs apptainer or singularity, and neither is on PATH', {
        image: named,
      });
    const program = request.filename === undefined ? undefined : await programOf(attempt);
    const location = image.type === 'sif' ? use.locate(image.artifact, attempt) : undefined;
    if (image.type === 'sif' && !location)
      throw new AttemptError('image-missing', 'the image has no location', { artifact: image.artifact.label });
    const uri =
      image.type === 'shub'
        ? image.uri
        : location
          ? await fetchImageFile(location, 'image.sif', attempt, use.emit)
          : '';
    return {
      file: use.executable,
      args: apptainerArgs({
        image: uri,
        root: workspace.root,
        cwd: workspace.workspace,
        hasGpus: grant.gpuUuids.length > 0,
        program: program && [`python${request.pythonVersion?.split('.')[0] ?? '3'}`, ...program],
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
    const { command } = attempt;
    if (use.runAs) await handOver(attempt, use.runAs);
    return startProcess(use.runAs ? commandAs(command, use.runAs) : command, {
      signal: attempt.signal,
      kill: use.kill,
      graceMs: use.terminationGraceMs,
      maxDurationMs: longestRunMs(attempt),
      marker: `STUDIOML_EXPERIMENT=${markerOf(attempt)}`,
      onSurvivors: pids => {
        use.emit('kill-incomplete', { pids: pids.join(' ') }, attempt.record);
      },
    });
  },
});
