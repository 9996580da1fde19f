import { hostname } from 'node:os';
import type Dockerode from 'dockerode';
import { AttemptError, messageOf } from '../../errors.ts';
import type { Command, ReadyAttempt, Run, StagedAttempt } from '../../model/attempt.ts';
import type { Artifact } from '../../model/experiment.ts';
import type { ObjectLocation } from '../../storage/object-store.ts';
import type { Emit } from '../../telemetry/events.ts';
import { containerEnv } from '../container-env.ts';
import type { Executor } from '../executor.ts';
import { markerOf } from '../experiment-env.ts';
import { imageOf, type Image } from '../image.ts';
import { imageLocation, programInImage, trustedImage } from '../image-program.ts';
import { longestRunMs } from '../program.ts';
import type { Watch } from '../watch.ts';
import { handOver, type RunAs } from '../run-as.ts';
import { containerBody, type ContainerCommand } from './container-body.ts';
import { answered, engineFault, removeContainer, statusOf, type Engine } from './engine.ts';
import type { EngineImage } from './image-names.ts';
import type { ContainerJournal } from './journal.ts';
import { loadImage } from './load-image.ts';
import { takeOver, type Owner } from './owner.ts';
import { pullImage } from './pull-image.ts';
import { runContainer } from './run-container.ts';

export interface DockerSettings {
  readonly engine: Engine;
  readonly journal: ContainerJournal;
  /** IMAGE_ALLOW */
  readonly imageAllow: readonly string[];
  readonly network: string;
  /** CONTAINER_USER: undefined for the runner's own, `image` for what the image says. */
  readonly user: string | undefined;
  readonly pids: number;
  /** EXPERIMENT_USER */
  readonly runAs?: RunAs | undefined;
  /** Whose the files of an attempt have to be. */
  readonly owner: Owner;
  readonly locate: (artifact: Artifact, attempt: StagedAttempt) => ObjectLocation | undefined;
  readonly runnerEnv: NodeJS.ProcessEnv;
  /** EXPERIMENT_ENV */
  readonly experimentEnv: readonly string[];
  readonly terminationGraceMs: number;
  /** Looks at what each takes of the disk: the engine holds it to the rest. */
  readonly watch: Watch;
  /** Its abort kills what runs at once. */
  readonly kill: AbortSignal;
  readonly emit: Emit;
  readonly now: () => number;
}

/** What is started in a container; `image` by its id: its name may stand for another one by then. */
interface Provisioned extends Command {
  readonly image: string;
  readonly start: ContainerCommand;
}

/** How long an engine that restarts is waited for, ms. */
const patienceMs = 30_000;

const bring = async (image: Image, attempt: StagedAttempt, use: DockerSettings): Promise<EngineImage> => {
  const engine = await use.engine.connect();
  const { signal, record } = attempt;
  switch (image.type) {
    case 'reference':
      return pullImage(engine, image.reference, {
        credentials: image.artifact.credentials,
        signal,
        onProgress: (doneBytes, totalBytes) => {
          use.emit('image-pulling', { image: image.reference, doneBytes, totalBytes }, record);
        },
      });
    case 'archive':
      return loadImage(engine, imageLocation(image, attempt, use.locate), attempt, use.emit);
    default:
      throw new AttemptError('not-a-request', 'the request has no image that a container engine can run');
  }
};

/**
 * Runs experiments in containers of a Docker-compatible engine. The attempt's directory is at the same path inside; output comes by
 * attach, the engine keeps none. A container is removed whatever happens: at its end, at the end of its attempt, or when the next
 * runner on this working directory starts.
 * Source: spec "Container"; Docker Engine API.
 */
export const createDockerExecutor = (use: DockerSettings): Executor => {
  const { emit, now, owner } = use;
  const ownUser = `${String(owner.uid)}:${String(owner.gid)}`;
  const given = use.runAs ? `${String(use.runAs.uid)}:${String(use.runAs.gid)}` : ownUser;
  const user = use.user === 'image' ? undefined : (use.user ?? given);
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(use.user ?? '') ?? [];
  /** Who works in the container, where that is known here: the files of an attempt have to be his. */
  const inside =
    uid === undefined ? use.user === undefined && use.runAs : { uid: Number(uid), gid: Number(gid ?? uid) };
  const isForeign = owner.uid !== 0 && user !== ownUser;

  const provision = async (attempt: StagedAttempt): Promise<Command> => {
    const startedAtMs = now();
    const { request, workspace, record, document } = attempt;
    const wanted = trustedImage(attempt, use);
    const program = programInImage(attempt);
    const { name, id } = await bring(wanted, attempt, use);
    document.set('container', { image: name });
    emit('provisioned', { environment: name, built: false, durationMs: now() - startedAtMs }, record);
    const start: ContainerCommand = {
      file: program?.python,
      args: program?.args ?? request.args,
      cwd: workspace.workspace,
      env: containerEnv(attempt, { runnerEnv: use.runnerEnv, patterns: use.experimentEnv }),
    };
    const command: Provisioned = { ...start, file: start.file ?? name, image: id, start };
    return command;
  };

  const create = async (docker: Dockerode, attempt: ReadyAttempt, hasInit: boolean): Promise<Dockerode.Container> => {
    const { grant, workspace, identity } = attempt;
    const { image, start } = attempt.command as Provisioned;
    const name = `studioml-${markerOf(attempt)}-${identity.accession.replace(/[^\w.-]/g, '_')}`;
    use.journal.add(name);
    attempt.scope.add('container', async () => {
      await removeContainer(docker, name, patienceMs);
      use.journal.delete(name);
    });
    const labels = { 'studioml.runner': hostname(), 'studioml.attempt': identity.accession };
    const { root } = workspace;
    const { amounts, gpuUuids } = grant;
    const { network, pids } = use;
    try {
      return await answered(
        docker.createContainer(
          containerBody({ name, image, command: start, root, labels, amounts, gpuUuids, network, user, pids, hasInit }),
        ),
      );
    } catch (error) {
      const isProgram = /No command specified/i.test(messageOf(error));
      if (!isProgram) throw engineFault('create the container', error);
      throw new AttemptError('no-such-program', 'the image has no command of its own, and the request names none');
    }
  };

  return {
    kind: 'docker',
    accepts: request => ['reference', 'archive'].includes(imageOf(request)?.type ?? ''),
    provision,
    start: async (attempt: ReadyAttempt): Promise<Run> => {
      const { docker, hasInit } = await use.engine.connect();
      const { workspace, record, grant } = attempt;
      const { amounts } = grant;
      const { image } = attempt.command as Provisioned;
      if (inside && owner.uid === 0) await handOver(attempt, inside);
      const container = await create(docker, attempt, hasInit);
      const failed = (what: string) => (error: unknown) => {
        if (statusOf(error) !== 404) emit('release-failed', { what, error: messageOf(error) }, record);
      };
      return runContainer(container, {
        signal: attempt.signal,
        kill: use.kill,
        graceMs: use.terminationGraceMs,
        maxDurationMs: longestRunMs(attempt),
        memoryBytes: amounts.memoryBytes,
        watchDisk: onExceeded =>
          use.watch.add({
            group: undefined,
            members: () => [],
            memoryBytes: 0,
            isCeiling: false,
            directory: workspace.root,
            diskBytes: amounts.diskBytes,
            onOverdrawn: () => undefined,
            onExceeded,
          }),
        patienceMs,
        now,
        afterwards: async () => {
          await removeContainer(docker, container.id, patienceMs).catch(failed('container'));
          if (isForeign) await takeOver(docker, image, workspace.root, owner).catch(failed('files of the container'));
        },
      });
    },
  };
};
