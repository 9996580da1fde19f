import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { createGrowingDelays } from '../../lib/flow/growing-delay.ts';
import type { Settled } from '../../lib/model/attempt.ts';
import type { ResourceAmounts } from '../../lib/model/resources.ts';
import { documentOf } from '../../lib/output/first-words.ts';
import { createTakeNext } from '../../lib/queues/take-next.ts';
import { noRecord } from '../../lib/records/experiment-record.ts';
import { buildRequest } from '../../lib/request/build-request.ts';
import { Demand } from '../../lib/resources/demand.ts';
import type { Cards } from '../../lib/resources/gpu/cards.ts';
import { Ledger } from '../../lib/resources/ledger.ts';
import { locate, locateDatabase } from '../../lib/storage/locate.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { createRedactor, redactDeep } from '../../lib/telemetry/redact.ts';
import { createWorkspace } from '../../lib/workspace/layout.ts';
import type { QueueContext } from '../../pipelines/queue.ts';
import { createRunner, type Runner, type RunnerContext } from '../../pipelines/runner.ts';
import { MemoryBroker } from './memory-broker.ts';
import { ScriptedExecutor } from './scripted-executor.ts';

export interface RigSettings {
  readonly total?: Partial<ResourceAmounts>;
  readonly cards?: Cards;
  readonly executor?: ScriptedExecutor;
  readonly over?: Partial<QueueContext>;
  readonly runner?: Partial<RunnerContext>;
}

/** A runner whose broker and experiments are in memory and whose store is a directory. */
export interface Rig {
  readonly broker: MemoryBroker;
  readonly executor: ScriptedExecutor;
  readonly ledger: Ledger;
  readonly demand: Demand;
  readonly events: RunnerEvent[];
  readonly settled: Settled[];
  readonly store: string;
  readonly home: string;
  readonly runner: Runner;
  /** A request without a workspace to fetch; `more` goes into its experiment. */
  request(key: string, more?: Readonly<Record<string, unknown>>): Record<string, unknown>;
}

export const createRig = (t: Test, settings: RigSettings = {}): Rig => {
  const home = t.testdir({ store: { storage: {} }, work: {} });
  const store = join(home, 'store');
  const broker = new MemoryBroker();
  const executor = settings.executor ?? new ScriptedExecutor();
  const total = { cores: 2, memoryBytes: 1e9, diskBytes: 1e9, ...settings.total };
  const ledger = new Ledger(total, settings.cards);
  const demand = new Demand(ledger);
  const redactor = createRedactor();
  const bus = createEventBus(Date.now, fields => redactDeep(fields, redactor.redact));
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const settled: Settled[] = [];
  const delays = createGrowingDelays(1000, 300_000, 10);
  const takeNext = createTakeNext(demand);
  const stores = { allowEnvSecrets: false, allowRunnerCredentials: false, fileRoots: [store] };
  const contextFor = (_queue: unknown, stop: AbortSignal): QueueContext => ({
    emit: bus.emit,
    host: 'testhost',
    stop,
    now: Date.now,
    clearTextMessages: true,
    senderKey: () => undefined,
    clusterKeys: { keys: [], look: () => Promise.resolve() },
    maxMessageBytes: 1 << 20,
    ledger,
    demand,
    redactor,
    openEnv: {},
    openReports: () => undefined,
    holdMs: 1000,
    maxAttempts: 3,
    unplacedAfterMs: 86_400_000,
    createWorkspace: attempt => createWorkspace({ home: join(home, 'work'), key: attempt.request.key }),
    createDocument: attempt => documentOf(attempt, true, Date.now()),
    mostDiskBytes: 0,
    locate: (artifact, { request, delivery }) => locate(artifact, request, delivery.queue.kind, stores),
    locateMetadata: ({ request, delivery }) => locateDatabase(request, delivery.queue.kind, stores),
    parallelTransfers: 4,
    executors: [executor],
    stopUploadMs: 1000,
    createExperimentRecord: () => noRecord,
    cancelledBy: () => () => Promise.resolve(undefined),
    lookEveryMs: 1000,
    firstLookMs: 1000,
    duties: [],
    deadlineMs: 1000,
    delays,
    takeNext,
    restartMs: 10,
    ...settings.over,
  });
  mkdirSync(join(store, 'storage'), { recursive: true });
  const runner = createRunner({
    emit: bus.emit,
    brokers: [broker],
    matches: name => name.startsWith('rmq_'),
    refuses: () => undefined,
    contextFor,
    drainMs: 0,
    goneAfterMs: 50,
    kill: () => undefined,
    onSettled: one => {
      if (one.settlement !== 'none') settled.push(one);
    },
    close: () => Promise.resolve(),
    ...settings.runner,
  });
  t.teardown(async () => {
    runner.stop({ now: true });
    await runner.finished;
  });
  const request = (key: string, more: Readonly<Record<string, unknown>> = {}) => {
    const built = buildRequest({
      key,
      filename: 'main.py',
      workspaceKey: 'none.tar',
      store: { endpoint: store, bucket: 'storage', databaseBucket: 'db' },
      timeAddedMs: Date.now(),
    });
    const experiment = built['experiment'] as Record<string, unknown>;
    const artifacts = { ...(experiment['artifacts'] as Record<string, unknown>), workspace: null };
    return { ...built, experiment: { ...experiment, artifacts, ...more } };
  };
  return { broker, executor, ledger, demand, events, settled, store, home, runner, request };
};
