import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Options } from '../lib/config/options.ts';
import { findExecutable } from '../lib/executors/find-executable.ts';
import { findInterpreters } from '../lib/executors/interpreters.ts';
import { createVirtualEnvironmentExecutor } from '../lib/executors/virtual-environment.ts';
import { createGrowingDelays, type GrowingDelays } from '../lib/flow/growing-delay.ts';
import type { PreparedAttempt } from '../lib/model/attempt.ts';
import type { QueueName } from '../lib/model/delivery.ts';
import type { Artifact } from '../lib/model/experiment.ts';
import { documentOf } from '../lib/output/first-words.ts';
import type { QueueBroker } from '../lib/queues/queue.ts';
import { createTakeNext } from '../lib/queues/take-next.ts';
import { defaultMaxMessageBytes } from '../lib/request/json-body.ts';
import { measureCores } from '../lib/resources/cpu.ts';
import { Demand } from '../lib/resources/demand.ts';
import { measureDiskBytes } from '../lib/resources/disk.ts';
import { Ledger } from '../lib/resources/ledger.ts';
import { measureMemoryBytes } from '../lib/resources/memory.ts';
import { locate, type LocateContext } from '../lib/storage/locate.ts';
import { closeS3 } from '../lib/storage/s3.ts';
import type { Emit } from '../lib/telemetry/events.ts';
import { createWorkspace, removeWorkspace } from '../lib/workspace/layout.ts';
import type { QueueContext } from './queue.ts';

/** After so many releases in a row a queue is left alone for the longest time. Source: spec "Settling". */
const releasesToCeiling = 10;
const longestDelayMs = 5 * 60_000;

/** What is made of the options, for one runner or one replay. */
export interface Drivers {
  readonly ledger: Ledger;
  readonly demand: Demand;
  readonly delays: GrowingDelays;
  readonly brokers: readonly QueueBroker[];
  /** What the attempts of one queue need. `stop` ends them; its reason is an AttemptError. */
  readonly contextFor: (
    queue: QueueName,
    stop: AbortSignal,
    over?: Partial<Pick<QueueContext, 'now' | 'holdMs'>>,
  ) => QueueContext;
  /** SIGKILL what still runs. */
  readonly kill: () => void;
  readonly close: () => Promise<void>;
}

export interface DriverSettings {
  /** `s3://host:port` -> the store that is used instead. */
  readonly redirect?: ReadonlyMap<string, string>;
  /** Whether queues are connected to. Default: true. */
  readonly queues?: boolean;
}

/** Drivers are loaded when their options ask for them, so that an idle runner stays small. */
const brokersOf = async (options: Options, emit: Emit): Promise<QueueBroker[]> => {
  const brokers: QueueBroker[] = [];
  if (options.amqpUrls.length > 0) {
    const { createRabbitmqBroker } = await import('../lib/queues/rabbitmq/broker.ts');
    for (const [index, url] of options.amqpUrls.entries()) {
      const managementUrl = options.amqpMgtUrls[index];
      brokers.push(createRabbitmqBroker({ url, managementUrl, queues: options.amqpQueues, emit }));
    }
  }
  if (options.queueRoot !== undefined) {
    const { createDirectoryBroker } = await import('../lib/queues/directory/broker.ts');
    const runnerId = `${hostname()}-${String(process.pid)}`;
    brokers.push(createDirectoryBroker({ root: options.queueRoot, runnerId, leaseMs: options.leaseMs, emit }));
  }
  return brokers;
};

const measure = async (options: Options) => ({
  cores: options.maxCores > 0 ? options.maxCores : await measureCores(),
  memoryBytes: options.maxMemBytes > 0 ? options.maxMemBytes : await measureMemoryBytes(),
  diskBytes: options.maxDiskBytes > 0 ? options.maxDiskBytes : await measureDiskBytes(options.workingDir),
});

/** Make everything concrete: the one file that names all drivers. */
export const createDrivers = async (options: Options, emit: Emit, settings: DriverSettings = {}): Promise<Drivers> => {
  const home = join(options.workingDir, 'studioml-runner');
  const ledger = new Ledger(await measure(options));
  const demand = new Demand(ledger);
  const takeNext = createTakeNext(demand);
  const delays = createGrowingDelays(1000, longestDelayMs, releasesToCeiling);
  const kill = new AbortController();
  const executors = [
    createVirtualEnvironmentExecutor({
      environmentsDir: join(home, 'environments'),
      findInterpreters,
      uv: await findExecutable('uv'),
      runnerEnv: process.env,
      experimentEnv: options.experimentEnv,
      terminationGraceMs: options.terminationGraceMs,
      kill: kill.signal,
      emit,
      now: Date.now,
    }),
  ];
  const stores: LocateContext = {
    allowEnvSecrets: options.allowEnvSecrets,
    allowRunnerCredentials: options.allowRunnerCredentials,
    fileRoots: options.fileRoots,
    defaultRegion: process.env['AWS_DEFAULT_REGION'],
    ...(settings.redirect ? { redirect: settings.redirect } : {}),
  };
  const find = (artifact: Artifact, { request, delivery }: PreparedAttempt) =>
    locate(artifact, request, delivery.queue.kind, stores);

  return {
    ledger,
    demand,
    delays,
    brokers: settings.queues === false ? [] : await brokersOf(options, emit),
    contextFor: (_queue, stop, { now = Date.now, holdMs = 1000 } = {}) => ({
      emit,
      host: hostname(),
      stop,
      now,
      clearTextMessages: options.clearTextMessages,
      maxMessageBytes: defaultMaxMessageBytes,
      ledger,
      demand,
      holdMs,
      maxAttempts: options.maxAttempts,
      unplacedAfterMs: options.unplacedAfterMs,
      createWorkspace: attempt => Promise.resolve(createWorkspace({ home, key: attempt.request.key })),
      removeWorkspace,
      createDocument: attempt => documentOf(attempt, options.schemaLogs, now()),
      keepWorkspaces: options.debug,
      locate: find,
      parallelTransfers: 8,
      executors,
      stopUploadMs: options.stopUploadMs,
      duties: [],
      deadlineMs: 10_000,
      delays,
      takeNext,
      restartMs: 2000,
    }),
    kill: () => {
      kill.abort();
    },
    close: closeS3,
  };
};
