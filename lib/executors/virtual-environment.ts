import { join } from 'node:path';
import type { AttemptRecord, Command, PreparedAttempt, StagedAttempt } from '../model/attempt.ts';
import type { Emit } from '../telemetry/events.ts';
import { createConfinement, type ConfinementSettings } from './confinement.ts';
import { createLauncher, type Launcher } from './launcher.ts';
import { createSpareShell } from './shells.ts';
import { createEnvironments } from './environments.ts';
import type { Executor } from './executor.ts';
import { experimentEnv, markerOf } from './experiment-env.ts';
import { imageOf } from './image.ts';
import { chooseInterpreter, type Interpreter } from './interpreters.ts';
import { createPrivateEnvironment } from './private-environment.ts';
import { startProcess } from './process.ts';
import { longestRunMs, programOf } from './program.ts';
import { bundledClients, requirementsOf } from './requirements.ts';

export interface VirtualEnvironmentSettings {
  /** Where shared trees are kept. */
  readonly environmentsDir: string;
  readonly findInterpreters: (env?: NodeJS.ProcessEnv) => Promise<readonly Interpreter[]>;
  /** uv's executable; undefined: pip. */
  readonly uv: string | undefined;
  readonly runnerEnv: NodeJS.ProcessEnv;
  /** EXPERIMENT_ENV */
  readonly experimentEnv: readonly string[];
  readonly terminationGraceMs: number;
  /** Control groups and the watch. */
  readonly confinement: ConfinementSettings;
  /** MEMORY_LIMIT */
  readonly memoryLimit: 'soft' | 'hard';
  /** Its abort kills what runs at once. */
  readonly kill: AbortSignal;
  readonly emit: Emit;
  readonly now: () => number;
}

/** Until interpreters are looked for again where none fitted, ms. */
const lookAgainMs = 30_000;

/** The tools' own variables and what they need to reach an index; never secrets of queues and stores. */
const installerEnv = (env: NodeJS.ProcessEnv): Record<string, string> => {
  const wanted = /^(PATH|HOME|LANG|LC_.*|TZ|TMPDIR|PIP_.*|UV_.*|.*_PROXY|.*_CA_BUNDLE|SSL_CERT_.*|GIT_.*)$/i;
  const kept = Object.entries(env).filter(([name, value]) => value !== undefined && wanted.test(name));
  return { ...Object.fromEntries(kept as [string, string][]), UV_PYTHON_DOWNLOADS: 'never' };
};

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

/** Processes and threads of one experiment: many more than any needs, and few enough that the machine has some left. */
const mostProcesses = (cores: number): number => 1024 + 256 * cores;

/**
 * Runs experiments in Python virtual environments: a shared tree of packages for each set of requirements, a private environment
 * for each attempt. Without requirements nothing is installed and no tool is run.
 * Source: spec "Python (virtual environment)".
 */
export const createVirtualEnvironmentExecutor = (use: VirtualEnvironmentSettings): Executor => {
  const { emit, now } = use;
  const choose = createInterpreterChoice(() => use.findInterpreters(use.runnerEnv), now);
  const environments = createEnvironments({
    directory: use.environmentsDir,
    uv: use.uv,
    env: installerEnv(use.runnerEnv),
  });

  const provision = async (attempt: StagedAttempt): Promise<Command> => {
    const startedAtMs = now();
    const { request, workspace, grant, document, signal, record } = attempt;
    const program = await programOf(attempt);
    const interpreter = await choose(request.pythonVersion);
    const requirements = requirementsOf(request, await bundledClients(workspace.workspace), grant.gpuUuids.length > 0);
    const shared =
      requirements.length === 0
        ? undefined
        : await environments.get({ interpreter, requirements, log: workspace.outputFile, signal });
    const own = createPrivateEnvironment(join(workspace.runner, 'env'), interpreter, shared);
    document.set('pipdeptree', shared?.tree ?? []);
    document.set('python', interpreter.version);
    const environment = shared?.key ?? `python ${interpreter.version}`;
    emit('provisioned', { environment, built: shared?.built ?? false, durationMs: now() - startedAtMs }, record);
    return {
      file: own.python,
      args: program,
      cwd: workspace.workspace,
      env: experimentEnv(attempt, {
        runnerEnv: use.runnerEnv,
        patterns: use.experimentEnv,
        bins: shared ? [own.bin, shared.bin] : [own.bin],
        virtualEnv: own.root,
      }),
    };
  };

  const createLauncherFor = (attempt: PreparedAttempt): Launcher => {
    const { record, grant, workspace } = attempt;
    const { cores, memoryBytes, diskBytes } = grant.amounts;
    const confinement = createConfinement(use.confinement, {
      name: markerOf(attempt),
      memoryBytes,
      isCeiling: use.memoryLimit === 'hard',
      diskBytes,
      directory: workspace.root,
      processes: mostProcesses(cores),
      cores,
      onOverdrawn: usedBytes => {
        emit('memory-overdrawn', { askedBytes: memoryBytes, usedBytes }, record);
      },
    });
    return createLauncher(shells.take(), confinement);
  };
  const shells = createSpareShell(now);
  const launchers = new WeakMap<AttemptRecord, Launcher>();

  return {
    kind: 'virtual-environment',
    accepts: request => request.artifacts.has('workspace') && !imageOf(request),
    standBy: attempt => {
      const launcher = createLauncherFor(attempt);
      launchers.set(attempt.record, launcher);
      attempt.scope.add('launcher', () => launcher.discard());
    },
    provision,
    start: async attempt => {
      const { command, signal, record } = attempt;
      const standing = launchers.get(record);
      const run = await startProcess(command, {
        signal,
        launcher: standing?.isWaiting ? standing : createLauncherFor(attempt),
        kill: use.kill,
        graceMs: use.terminationGraceMs,
        maxDurationMs: longestRunMs(attempt),
        marker: `STUDIOML_EXPERIMENT=${markerOf(attempt)}`,
        onSurvivors: pids => {
          emit('kill-incomplete', { pids: pids.join(' ') }, record);
        },
      });
      setImmediate(() => shells.refill());
      return run;
    },
  };
};
