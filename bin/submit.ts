import { randomUUID } from 'node:crypto';
import type { Options } from '../lib/config/options.ts';
import { messageOf, OptionsError, StoreError } from '../lib/errors.ts';
import type { ObjectStore } from '../lib/storage/object-store.ts';
import { closeS3 } from '../lib/storage/s3.ts';
import { configured, printFaults } from './configured.ts';
import { openDeadLetters } from './dead/open.ts';
import { readSubmitArguments, type SubmitArguments } from './submit/arguments.ts';
import { follow, type Followed } from './submit/follow.ts';
import { openSealing } from './submit/message.ts';
import { queueWayFor, type QueueWay } from './submit/queue-way.ts';
import { checkProgram, outputKeyOf, requestOf, requirementsOf, startBy } from './submit/request.ts';
import { openBucket, withServiceAccount } from './submit/store.ts';
import { createTransferBar, type TransferBar } from './submit/transfer-bar.ts';
import { createWaiting } from './submit/while-waiting.ts';
import { storeWorkspace } from './submit/workspace.ts';
import { withCheck } from './with-check.ts';

/** Errors of a store with what to do about them. */
const stored = async <T>(work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const remedies = {
      missing: 'make the bucket, or correct --store',
      denied: 'look at the credentials in --store or --service-account, and what they allow',
      unavailable: 'look at host and port in --store, and whether the store runs',
      precondition: 'choose another --key',
      invalid: 'correct --store',
    } as const;
    throw new Error(`${error.message}; ${remedies[error.code]}`, { cause: error });
  }
};

/** What was sent, where. */
interface Sent {
  readonly key: string;
  readonly body: string;
  readonly way: QueueWay;
  readonly timeAddedMs: number;
  readonly artifacts: ObjectStore;
  readonly database: ObjectStore;
}

const send = async (use: SubmitArguments, options: Options, bar: TransferBar): Promise<Sent> => {
  const { given, queue } = use;
  const way = queueWayFor(queue, options);
  // Every file that is named is read before anything is stored.
  const store = await withServiceAccount(use.store, given['service-account']);
  await checkProgram(use);
  const requirements = await requirementsOf(use);
  const { seal: sealFile, sign: signFile } = given;
  const seal =
    sealFile === undefined || signFile === undefined ? JSON.stringify : await openSealing(sealFile, signFile);
  const [artifacts, database] = await Promise.all([
    openBucket(store, store.bucket),
    openBucket(store, store.databaseBucket),
  ]);
  const workspaceKey = await stored(storeWorkspace(use.workspace, artifacts, bar));
  const timeAddedMs = Date.now();
  const key = given.key ?? `${String(Math.floor(timeAddedMs / 1000))}_${randomUUID()}`;
  const request = requestOf(use, { key, requirements, store, workspaceKey, timeAddedMs });
  const body = await seal(request);
  const record = Buffer.from(JSON.stringify(request['experiment']));
  await stored(database.put(`experiments/${key}`, record, { contentType: 'application/json', ifNoneMatch: '*' }));
  try {
    await way.send(body);
  } catch (error) {
    const words = `the request could not be sent [queue=${queue}]: ${messageOf(error)}`;
    const refused = /access to (?:exchange|queue) /.test(words);
    const remedy = `${words}; the user needs leave to configure, write and read StudioML.topic, and ${queue} where it is to be made`;
    throw new Error(refused ? remedy : withCheck(words), { cause: error });
  }
  return { key, body, way, timeAddedMs, artifacts, database };
};

const followSent = (use: SubmitArguments, options: Options, bar: TransferBar, sent: Sent): Promise<Followed> => {
  const { given, queue } = use;
  const { key, body, way, timeAddedMs, artifacts, database } = sent;
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new Error(`no longer followed; it goes on [experiment=${key}]`)));
  const out = use.json ? process.stderr : process.stdout;
  const say = (words: string) => process.stderr.write(`runner: ${words}\n`);
  return follow({
    key,
    artifacts,
    database,
    outputKey: outputKeyOf(key),
    runner: given.runner === undefined ? undefined : { url: new URL(given.runner), token: options.statusToken },
    waiting: createWaiting({
      queue,
      body: Buffer.from(body),
      startByMs: startBy(use, timeAddedMs),
      openDeadLetters: () => openDeadLetters(options, { kind: way.kind, sparing: true }),
      depth: way.depth,
      say,
      signal: stop.signal,
    }),
    print: bytes => out.write(bytes),
    say,
    bar,
    signal: stop.signal,
  });
};

const run = async (use: SubmitArguments): Promise<number> => {
  const options = configured(use.rest);
  if (options === undefined) return 2;
  const bar = createTransferBar();
  const sent = await send(use, options, bar).finally(bar.clear);
  const submitted = { key: sent.key, queue: use.queue, store: sent.artifacts.name };
  if (!use.follow || !use.json) process.stdout.write(`${use.json ? JSON.stringify(submitted) : sent.key}\n`);
  if (!use.follow) return 0;
  const followed = await followSent(use, options, bar, sent);
  if (use.json) process.stdout.write(`${JSON.stringify({ ...submitted, ...followed })}\n`);
  else if (followed.message !== undefined) process.stderr.write(`runner: ${followed.message}\n`);
  return followed.exitCode;
};

/**
 * Pack a workspace, upload it and put a request for it on a queue.
 * Exit code: 0 it is on the queue, 1 it could not be sent, 2 usage; with --follow that of the experiment, 1 where it never ran.
 */
export const submit = async (argv: readonly string[]): Promise<number> => {
  try {
    return await run(readSubmitArguments(argv, process.env));
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    printFaults(error);
    return 2;
  } finally {
    await closeS3();
  }
};
