import { join } from 'node:path';
import type { StagedAttempt } from '../model/attempt.ts';
import type { Artifact } from '../model/experiment.ts';
import type { ObjectLocation } from '../storage/object-store.ts';
import type { Emit } from '../telemetry/events.ts';
import { createApptainerExecutor } from './apptainer.ts';
import { createDockerExecutor } from './docker/docker.ts';
import { createEngine } from './docker/engine.ts';
import { createContainerJournal } from './docker/journal.ts';
import { removeAbandoned } from './docker/remove-abandoned.ts';
import type { ConfinedSettings } from './confined.ts';
import type { Executor } from './executor.ts';
import type { RunAs } from './run-as.ts';
import { findExecutable } from '../resources/find-executable.ts';

/** Of the options, and what a runner has once. */
export interface ContainerSettings {
  readonly imageAllow: readonly string[];
  readonly containerNetwork: string;
  readonly containerUser: string | undefined;
  readonly containerPids: number;
  readonly experimentEnv: readonly string[];
  readonly terminationGraceMs: number;
  readonly confinement: ConfinedSettings['confinement'];
  readonly memoryLimit: 'soft' | 'hard';
  readonly runAs: RunAs | undefined;
  /** STUDIOML_HOME */
  readonly home: string;
  readonly kill: AbortSignal;
  readonly emit: Emit;
  readonly locate: (artifact: Artifact, attempt: StagedAttempt) => ObjectLocation | undefined;
}

/** The drivers that run experiments in images. Containers that a dead runner left are removed meanwhile; nobody waits for that. */
export const containerExecutors = async (use: ContainerSettings): Promise<readonly Executor[]> => {
  const { confinement, imageAllow, experimentEnv, terminationGraceMs, runAs, kill, emit, locate } = use;
  const shared = { imageAllow, experimentEnv, terminationGraceMs, runAs, kill, emit, locate, runnerEnv: process.env };
  const engine = createEngine();
  const journal = createContainerJournal(join(use.home, 'containers'));
  void removeAbandoned({ engine, journal, emit });
  return [
    createDockerExecutor({
      ...shared,
      engine,
      journal,
      network: use.containerNetwork,
      user: use.containerUser,
      pids: use.containerPids,
      watch: confinement.watch,
      owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
      now: Date.now,
    }),
    createApptainerExecutor({
      ...shared,
      confinement,
      memoryLimit: use.memoryLimit,
      executable: (await findExecutable('apptainer')) ?? (await findExecutable('singularity')),
      now: Date.now,
    }),
  ];
};
