import { join } from 'node:path';
import type { AttemptRecord, Command, StagedAttempt } from '../model/attempt.ts';
import type { Request } from '../model/experiment.ts';
import { createConfined, type ConfinedSettings } from './confined.ts';
import type { Environment, Environments } from './environments/environments.ts';
import type { Launcher } from './launcher.ts';
import type { Executor } from './executor.ts';
import { forksWith } from './fork-server.ts';
import { experimentEnv } from './experiment-env.ts';
import { imageOf } from './image.ts';
import { installerEnv } from './installer-env.ts';
import { chooseInterpreter, type Interpreter } from './interpreters.ts';
import type { PrivateEnvironment } from './private-environment.ts';
import { programOf } from './program.ts';
import type { RunAs } from './run-as.ts';
import { bundledClients, requirementsOf } from './requirements.ts';
import { createSpareEnvironments } from './spare-environments.ts';
import type { Spares } from '../workspace/spares.ts';

export interface VirtualEnvironmentSettings extends ConfinedSettings {
  readonly environments: Environments;
  /** Where private environments are kept from one run to the next. */
  readonly spares?: Spares | undefined;
  readonly findInterpreters: (env: NodeJS.ProcessEnv, user?: RunAs) => Promise<readonly Interpreter[]>;
  readonly runnerEnv: NodeJS.ProcessEnv;
  /** EXPERIMENT_ENV */
  readonly experimentEnv: readonly string[];
}

/** Until interpreters are looked for again where none fitted, ms. */
const lookAgainMs = 30_000;

/** Interpreters are looked for once, and again now and then when none fits. */
const createInterpreterChoice = (find: () => Promise<readonly Interpreter[]>, now: () => number) => {
  let found: Promise<readonly Interpreter[]> | undefined;
  let foundAtMs = 0;
  const look = () => {
    foundAtMs = now();
    return (found = find());
  };
  return async (asked: string | undefined): Promise<Interpreter> => {
    const known = await (found ?? look());
    try {
      return chooseInterpreter(known, asked);
    } catch (error) {
      if (now() - foundAtMs < lookAgainMs) throw error;
      return chooseInterpreter(await look(), asked);
    }
  };
};

/** What is started, and the tree that it has to be given back. */
interface Provisioned extends Command {
  readonly own: PrivateEnvironment;
  readonly shared: Environment | undefined;
}

/**
 * Whether a request names requirements and nothing to run: it makes their environment for those who come after it. That the
 * interpreter starts in it is all it runs.
 * Source: spec "Special artifacts".
 */
const isOnlyToBuild = (request: Request): boolean =>
  !request.artifacts.has('workspace') &&
  !imageOf(request) &&
  request.requirements.length + request.extraRequirements.length > 0;

/**
 * Runs experiments in Python virtual environments: a shared tree of packages for each set of requirements, a private environment
 * for each attempt. Without requirements nothing is installed and no tool is run.
 * Source: spec "Python (virtual environment)".
 */
export const createVirtualEnvironmentExecutor = (use: VirtualEnvironmentSettings): Executor => {
  const { emit, now } = use;
  const privateEnvironments = createSpareEnvironments(use.spares);
  const choose = createInterpreterChoice(() => use.findInterpreters(use.runnerEnv, use.runAs), now);
  const confined = createConfined({ ...use, python: async () => forksWith(await choose(undefined)) });

  const provision = async (attempt: StagedAttempt): Promise<Command> => {
    const startedAtMs = now();
    const { request, workspace, grant, document, signal, record } = attempt;
    const program = isOnlyToBuild(request) ? ['-c', 'pass'] : programOf(attempt);
    const interpreter = await choose(request.pythonVersion);
    const requirements = requirementsOf(request, {
      workspace: workspace.workspace,
      bundled: bundledClients(workspace.workspace),
      hasGpu: grant.gpuUuids.length > 0,
    });
    const shared =
      requirements.length === 0
        ? undefined
        : await use.environments.get({
            interpreter,
            requirements,
            env: installerEnv(use.runnerEnv, request.env),
            log: workspace.outputFile,
            signal,
            about: record,
          });
    if (shared) attempt.scope.add('environment', () => shared.release());
    const own = privateEnvironments.make(join(workspace.runner, 'env'), interpreter, shared);
    document.set('pipdeptree', shared?.tree ?? []);
    document.set('requirements', shared?.lock ?? []);
    document.set('python', interpreter.version);
    const environment = shared?.key ?? `python ${interpreter.version}`;
    emit('provisioned', { environment, built: shared?.built ?? false, durationMs: now() - startedAtMs }, record);
    const env = experimentEnv(attempt, {
      runnerEnv: use.runnerEnv,
      patterns: use.experimentEnv,
      bins: shared ? [own.bin, shared.bin] : [own.bin],
      virtualEnv: own.root,
    });
    const command: Provisioned = {
      file: own.python,
      args: program,
      cwd: workspace.workspace,
      // What it compiled would be written into the tree that it shares.
      env: {
        ...env,
        ...(shared && { PYTHONDONTWRITEBYTECODE: '1' }),
        // The home of the runner is not for others.
        ...(use.runAs && !('HOME' in request.env) && { HOME: workspace.tmp }),
      },
      own,
      shared,
    };
    return command;
  };

  const launchers = new WeakMap<AttemptRecord, Launcher>();

  return {
    kind: 'virtual-environment',
    accepts: request => (request.artifacts.has('workspace') && !imageOf(request)) || isOnlyToBuild(request),
    standBy: attempt => {
      const launcher = confined.launcherFor(attempt);
      launchers.set(attempt.record, launcher);
      attempt.scope.add('launcher', () => launcher.discard());
    },
    provision,
    start: async attempt => {
      const { record, workspace } = attempt;
      const command = attempt.command as Provisioned;
      await confined.handOver(attempt);
      const keepDirectories = workspace.mark();
      const keepEnvironment = privateEnvironments.mark(command.own);
      let isOver = true;
      const run = await confined.start(attempt, command, {
        launcher: launchers.get(record),
        onSurvivors: () => {
          isOver = false;
        },
      });
      void run.exit.then(() => {
        // Long before its results are stored: the next one may want the same tree.
        void command.shared?.release();
        if (!isOver) return;
        keepDirectories();
        workspace.beforeRemoval(keepEnvironment);
      });
      return run;
    },
  };
};
