import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Options } from '../lib/config/options.ts';
import { messageOf, OptionsError } from '../lib/errors.ts';
import { containerExecutors } from '../lib/executors/container-executors.ts';
import { imageOf } from '../lib/executors/image.ts';
import { createEnvironments } from '../lib/executors/environments/environments.ts';
import { findExecutable } from '../lib/resources/find-executable.ts';
import { findInterpreters } from '../lib/executors/interpreters.ts';
import { createVirtualEnvironmentExecutor } from '../lib/executors/virtual-environment.ts';
import { createGrowingDelays, type GrowingDelays } from '../lib/flow/growing-delay.ts';
import { createPassage } from '../lib/flow/passage.ts';
import type { AdmittedAttempt, PreparedAttempt } from '../lib/model/attempt.ts';
import type { QueueName } from '../lib/model/delivery.ts';
import type { Artifact } from '../lib/model/experiment.ts';
import { documentOf } from '../lib/output/first-words.ts';
import type { QueueBroker, Reporter } from '../lib/queues/queue.ts';
import { createTakeNext } from '../lib/queues/take-next.ts';
import { createLiveAttempts, type LiveAttempts } from '../lib/records/live-attempts.ts';
import { createReporting } from '../lib/reports/reporting.ts';
import { defaultMaxMessageBytes } from '../lib/request/json-body.ts';
import { openEnv } from '../lib/request/open-env.ts';
import { Demand } from '../lib/resources/demand.ts';
import { Ledger } from '../lib/resources/ledger.ts';
import { createQuarantine, type Quarantine } from '../lib/resources/quarantine.ts';
import { locate, locateDatabase, type LocateContext } from '../lib/storage/locate.ts';
import { resuming } from '../lib/storage/resuming.ts';
import { closeS3 } from '../lib/storage/s3.ts';
import { readS3Tls } from '../lib/storage/s3/tls.ts';
import type { Emit } from '../lib/telemetry/events.ts';
import { createRedactor, type Redactor } from '../lib/telemetry/redact.ts';
import { createWorkspace } from '../lib/workspace/layout.ts';
import { makeDirectory } from '../lib/workspace/make-directory.ts';
import { openSpares } from '../lib/workspace/spares.ts';
import { brokersOf } from './brokers.ts';
import { openCache } from './cache.ts';
import { experimentUserOf } from './experiment-user.ts';
import { gpusOf } from './gpus.ts';
import { openKeys, type Keys } from './keys.ts';
import { measure, openLimits } from './machine.ts';
import type { QueueContext } from './queue.ts';
import { createQuiet } from './quiet.ts';
import { recordsOf } from './records.ts';

/** After so many releases in a row a queue is left alone for the longest time. Source: spec "Settling". */
const releasesToCeiling = 10;
const longestDelayMs = 5 * 60_000;

/** What is made of the options, for one runner or one replay. */
export interface Drivers {
  readonly ledger: Ledger;
  readonly demand: Demand;
  readonly delays: GrowingDelays;
  /** Why this machine takes no work, where it does not. */
  readonly quarantine: Pick<Quarantine, 'reason'>;
  readonly brokers: readonly QueueBroker[];
  readonly keys: Keys;
  /** What runs now. */
  readonly live: LiveAttempts;
  /** What the attempts of one queue need. `stop` ends them; its reason is an AttemptError. */
  readonly contextFor: (
    queue: QueueName,
    stop: AbortSignal,
    over?: Partial<Pick<QueueContext, 'now' | 'holdMs'>> & { readonly reporter?: Reporter | undefined },
  ) => QueueContext;
  /** SIGKILL what still runs. */
  readonly kill: () => void;
  readonly close: () => Promise<void>;
}

export interface DriverSettings {
  /** `s3://host:port` -> the store that is used instead. */
  readonly redirect?: ReadonlyMap<string, string>;
  /** Knows the secrets of the options, and learns those of requests. */
  readonly redactor?: Redactor;
  /** Whether queues are connected to. Default: true. */
  readonly queues?: boolean;
  /** Hears of each time that a queue is asked for a message. */
  readonly onAsked?: (queue: QueueName) => void;
}

/** The directory of everything that runs. Errors: OptionsError where it can not be made. */
const makeHome = async ({ workingDir }: Options): Promise<string> => {
  const home = join(workingDir, 'studioml-runner');
  try {
    await makeDirectory(home);
    // In a directory of all users it may be somebody else's.
    await access(home, constants.W_OK | constants.X_OK);
  } catch (error) {
    const found = `found ${workingDir}, expected a directory that can be written to`;
    throw new OptionsError([`--working-dir (WORKING_DIR): ${found} (${messageOf(error)})`]);
  }
  return home;
};

/** Make everything concrete: this file, brokers.ts and machine.ts name all drivers. */
export const createDrivers = async (options: Options, emit: Emit, settings: DriverSettings = {}): Promise<Drivers> => {
  const tls = readS3Tls(options);
  const keys = await openKeys(options, emit);
  const redactor = settings.redactor ?? createRedactor();
  const open = openEnv(process.env);
  const home = await makeHome(options);
  const cached = await openCache(
    options,
    home,
    // An engine may be in another place, where mounts of this one are not seen; and what is kept for a developer has to stay.
    ({ request }) => imageOf(request) === undefined && !options.debug,
    emit,
  );
  const environmentsDirectory = join(home, 'environments');
  const { total, environmentsBytes } = await measure(options, environmentsDirectory, cached?.onDisk);
  const ledger = new Ledger(total, await gpusOf(options, emit));
  let brokers: readonly QueueBroker[] = [];
  const quiet = createQuiet(() => brokers);
  const demand = new Demand(ledger, { onFull: quiet.onFull });
  const quarantine = createQuarantine({
    emit,
    pause: () => {
      demand.pause('quarantine');
    },
    resume: () => {
      demand.resume('quarantine');
    },
    setAside: ledger.cards.setAside,
    putBack: ledger.cards.putBack,
    lookAtCards: ledger.cards.refresh,
  });
  const passage = createPassage();
  const hears = {
    ...(settings.onAsked ? { onAsked: settings.onAsked } : {}),
    onUnasked: (queue: QueueName, state: string) => {
      emit('message-unasked', { state }, { queue: queue.name });
      if (state === 'returned') quiet.onReturned();
    },
  };
  const takeNext = createTakeNext(demand, hears, passage);
  const live = createLiveAttempts();
  const delays = createGrowingDelays(1000, longestDelayMs, releasesToCeiling);
  const kill = new AbortController();
  const confinement = await openLimits(ledger.total.memoryBytes, emit);
  const runAs = await experimentUserOf(options);
  const environments = createEnvironments({
    directory: environmentsDirectory,
    limitBytes: environmentsBytes,
    uv: await findExecutable('uv'),
    runsMayWrite: runAs === undefined || runAs.uid === 0,
    emit,
  });
  const spares = await openSpares(home);
  const executors = [
    ...(await containerExecutors({
      ...options,
      confinement,
      home,
      runAs,
      kill: kill.signal,
      emit,
      locate: (artifact, attempt) => find(artifact, attempt),
    })),
    createVirtualEnvironmentExecutor({
      environments,
      spares,
      findInterpreters,
      runAs,
      // A copy: process.env asks the system for each variable, each time.
      runnerEnv: { ...process.env },
      experimentEnv: options.experimentEnv,
      terminationGraceMs: options.terminationGraceMs,
      confinement,
      memoryLimit: options.memoryLimit,
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
    tls,
    ...(settings.redirect ? { redirect: settings.redirect } : {}),
  };
  const find = (artifact: Artifact, { request, delivery, record: about }: PreparedAttempt) => {
    const location = locate(artifact, request, delivery.queue.kind, stores);
    return location && resuming(location, { emit, about, artifact: artifact.label });
  };
  const findDatabase = ({ request, delivery }: Pick<AdmittedAttempt, 'request' | 'delivery'>) =>
    locateDatabase(request, delivery.queue.kind, stores);

  const deadlineMs = 10_000;
  const reporting = await createReporting({
    keysDirectory: options.responseSignaturesDir,
    emit,
    redact: redactor.redact,
    // Before the duty counts as late.
    deadlineMs: deadlineMs - 500,
    now: Date.now,
  });

  brokers = settings.queues === false ? [] : await brokersOf(options, emit);
  return {
    ledger,
    keys,
    demand,
    delays,
    quarantine,
    live,
    brokers,
    contextFor: (_queue, stop, { now = Date.now, holdMs = 1000, reporter } = {}) => {
      const records = recordsOf({
        emit,
        host: hostname(),
        now,
        maxAttempts: options.maxAttempts,
        unplacedAfterMs: options.unplacedAfterMs,
        stopUploadMs: options.stopUploadMs,
        locate: find,
        locateDatabase: findDatabase,
      });
      return {
        emit,
        host: hostname(),
        stop,
        now,
        clearTextMessages: options.clearTextMessages,
        senderKey: keys.senders.find,
        clusterKeys: keys.cluster,
        maxMessageBytes: defaultMaxMessageBytes,
        ledger,
        demand,
        redactor,
        openEnv: open,
        openReports: attempt => reporting.open(attempt, reporter),
        holdMs,
        maxAttempts: options.maxAttempts,
        unplacedAfterMs: options.unplacedAfterMs,
        createWorkspace: attempt => createWorkspace({ home, key: attempt.request.key, spares, stays: options.debug }),
        createDocument: attempt => documentOf(attempt, options.schemaLogs, now()),
        locate: find,
        // What is replayed is run again on purpose.
        locateMetadata: ({ request, delivery }) =>
          settings.queues === false ? undefined : locateDatabase(request, delivery.queue.kind, stores),
        parallelTransfers: 8,
        cache: cached?.cache,
        mostDiskBytes: ledger.total.diskBytes,
        executors,
        stopUploadMs: options.stopUploadMs,
        passage,
        ...records,
        attend: live.attend,
        duties: [...records.duties, { name: 'report', run: async ({ record, end }) => record.reports?.finish(end) }],
        deadlineMs,
        quarantine,
        delays,
        takeNext,
        restartMs: 2000,
      };
    },
    kill: () => {
      kill.abort();
    },
    close: async () => {
      keys.close();
      reporting.close();
      quarantine.close();
      ledger.cards.close();
      await environments.close();
      await spares.close();
      await confinement.groups.close();
      await closeS3();
    },
  };
};
