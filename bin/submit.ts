import { createHash, randomUUID } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, OptionsError, StoreError } from '../lib/errors.ts';
import { buildRequest } from '../lib/request/build-request.ts';
import { closeS3 } from '../lib/storage/s3.ts';
import type { ObjectStore } from '../lib/storage/object-store.ts';
import { packDirectory } from '../lib/workspace/pack.ts';
import { configured, printFaults } from './configured.ts';
import { readSubmitArguments, type SubmitArguments } from './submit/arguments.ts';
import { enqueueFor } from './submit/enqueue.ts';
import { follow, type Followed } from './submit/follow.ts';
import { sealRequest } from './submit/message.ts';
import { openBucket } from './submit/store.ts';

/** Results stand apart from the metadata objects: some stores let no key be another one's folder. */
const prefix = 'results';

/** Errors of a store with what to do about them. */
const stored = async <T>(work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const remedies = {
      missing: 'make the bucket, or correct --store',
      denied: 'correct key and secret in --store',
      unavailable: 'look at host and port in --store, and whether the store runs',
      precondition: 'choose another --key',
      invalid: 'correct --store',
    } as const;
    throw new Error(`${error.message}; ${remedies[error.code]}`, { cause: error });
  }
};

const requirementsOf = async ({ requirements, given }: SubmitArguments): Promise<readonly string[]> => {
  if (given.requirements === undefined) return requirements;
  const lines = (await readFile(given.requirements, 'utf8')).split('\n').map(line => line.trim());
  return [...requirements, ...lines.filter(line => line !== '' && !line.startsWith('#'))];
};

/** Pack and upload the workspace under the hash of its content. Out: its key. */
const upload = async ({ workspace, given }: SubmitArguments, artifacts: ObjectStore): Promise<string> => {
  const { filename = 'main.py' } = given;
  if (filename !== '-m' && !(await stat(join(workspace, filename)).catch(() => undefined))?.isFile())
    throw new OptionsError([`--filename: there is no file "${filename}" in ${workspace}; expected the program`]);
  const packed = await packDirectory(workspace, '.tar');
  if (!packed) throw new OptionsError([`submit: ${workspace} holds no files; expected a workspace`]);
  const archive = Buffer.isBuffer(packed) ? packed : Buffer.concat((await packed.toArray()) as Buffer[]);
  const key = `blobstore/${createHash('sha256').update(archive).digest('hex')}.tar`;
  await stored(artifacts.put(key, archive));
  return key;
};

const requestOf = async (use: SubmitArguments, key: string, workspaceKey: string) => {
  const { given, store, args, env } = use;
  return buildRequest({
    key,
    filename: given.filename ?? 'main.py',
    args,
    requirements: await requirementsOf(use),
    pythonVersion: given.python ?? '3',
    ...(given.project === undefined ? {} : { project: given.project }),
    workspaceKey,
    store,
    resources: {
      cpus: Number(given.cpus ?? 1),
      gpus: Number(given.gpus ?? 0),
      ram: given.ram ?? '1gb',
      hdd: given.hdd ?? '1gb',
      ...(given['gpu-mem'] === undefined ? {} : { gpuMem: given['gpu-mem'] }),
    },
    env,
    maxDuration: given['max-duration'] ?? '4h',
    lifetime: given.lifetime ?? '96h',
    prefix,
    timeAddedMs: Date.now(),
  });
};

const run = async (use: SubmitArguments): Promise<number> => {
  const options = configured(use.rest);
  if (options === undefined) return 2;
  const enqueue = enqueueFor(use.queue, options);
  const { given, store } = use;
  const key = given.key ?? `${String(Math.floor(Date.now() / 1000))}_${randomUUID()}`;
  const [artifacts, database] = await Promise.all([
    openBucket(store, store.bucket),
    openBucket(store, store.databaseBucket),
  ]);
  const request = await requestOf(use, key, await upload(use, artifacts));
  const body =
    given.seal === undefined || given.sign === undefined
      ? JSON.stringify(request)
      : await sealRequest(request, given.seal, given.sign);
  const record = Buffer.from(JSON.stringify(request['experiment']));
  await stored(database.put(`experiments/${key}`, record, { contentType: 'application/json', ifNoneMatch: '*' }));
  try {
    await enqueue(use.queue, body);
  } catch (error) {
    throw new Error(`the request could not be sent [queue=${use.queue}]: ${messageOf(error)}; runner check looks why`, {
      cause: error,
    });
  }
  const submitted = { key, queue: use.queue, store: artifacts.name };
  if (!use.follow || !use.json) process.stdout.write(`${use.json ? JSON.stringify(submitted) : key}\n`);
  if (!use.follow) return 0;

  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new Error(`no longer followed; it goes on [experiment=${key}]`)));
  const out = use.json ? process.stderr : process.stdout;
  const followed: Followed = await follow({
    key,
    artifacts,
    database,
    outputKey: `${prefix}/${key}/output.tar`,
    runner: given.runner === undefined ? undefined : { url: new URL(given.runner), token: options.statusToken },
    print: bytes => out.write(bytes),
    say: state => process.stderr.write(`runner: ${state}\n`),
    signal: stop.signal,
  });
  if (use.json) process.stdout.write(`${JSON.stringify({ ...submitted, ...followed })}\n`);
  else if (followed.message !== undefined) process.stderr.write(`runner: ${followed.message}\n`);
  return followed.exitCode;
};

/**
 * Pack a workspace, upload it and put a request for it on a queue.
 * Exit code: 0 it is on the queue, 1 it could not be sent, 2 usage; with --follow that of the experiment.
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
