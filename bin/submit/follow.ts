import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { StoreError } from '../../lib/errors.ts';
import { sleep } from '../../lib/flow/wait.ts';
import { fenceBeside, readFence } from '../../lib/storage/fence.ts';
import type { ObjectStore } from '../../lib/storage/object-store.ts';
import { unpackArchive } from '../../lib/workspace/unpack.ts';
import { headersOf, pathOf } from '../ask/ask-runner.ts';

export interface FollowSettings {
  readonly key: string;
  readonly artifacts: ObjectStore;
  readonly database: ObjectStore;
  /** Key of the artifact `output`. */
  readonly outputKey: string;
  /** The runner, where it is known. */
  readonly runner: { readonly url: URL; readonly token: string | undefined } | undefined;
  /** What it prints. */
  readonly print: (bytes: Uint8Array) => void;
  readonly say: (state: string) => void;
  readonly everyMs?: number;
  readonly signal: AbortSignal;
}

/** How it ended. `message` is there where it failed. */
export interface Followed {
  readonly status: string;
  readonly exitCode: number;
  readonly message?: string;
}

const orMissing = async <T>(work: Promise<T>): Promise<T | undefined> => {
  try {
    return await work;
  } catch (error) {
    // A store that is away for a moment is asked again.
    if (error instanceof StoreError && (error.code === 'missing' || error.code === 'unavailable')) return undefined;
    throw error;
  }
};

const readJson = async (store: ObjectStore, key: string): Promise<Record<string, unknown> | undefined> => {
  const object = await orMissing(store.get(key));
  return object && (JSON.parse(await text(object.body)) as Record<string, unknown>);
};

/** The stored output, as far as it is new. */
const createStoredOutput = ({ artifacts, outputKey, print }: FollowSettings) => {
  let etag: string | undefined;
  let printed = 0;
  return async (): Promise<void> => {
    let object;
    try {
      object = await artifacts.get(outputKey, undefined, etag === undefined ? {} : { ifNoneMatch: etag });
    } catch (error) {
      if (error instanceof StoreError && error.code !== 'denied') return;
      throw error;
    }
    const directory = await mkdtemp(join(tmpdir(), 'studioml-follow-'));
    try {
      await unpackArchive(object.body, directory);
      const bytes = await readFile(join(directory, 'output'));
      // Another attempt starts anew.
      if (bytes.length < printed) printed = 0;
      print(bytes.subarray(printed));
      printed = bytes.length;
      etag = object.etag;
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  };
};

/** What a runner tells while it runs; whether it told anything. */
const tailOnce = async ({ key, runner, print, signal }: FollowSettings): Promise<boolean> => {
  if (!runner) return false;
  const { url, token } = runner;
  const response = await fetch(pathOf(url, 'tail', key), { headers: headersOf(token, false), signal }).catch(
    () => undefined,
  );
  if (!response?.ok) {
    await response?.body?.cancel();
    return false;
  }
  for await (const chunk of response.body ?? []) print(chunk as Uint8Array);
  return true;
};

const howItEnded = async ({ artifacts, database, key }: FollowSettings, status: string): Promise<Followed> => {
  const fence = await orMissing(readFence(fenceBeside({ store: database, key: `experiments/${key}` })));
  const accession = fence?.mark?.accession;
  const document = accession && (await readJson(artifacts, `metadata/scrape-host-${accession}.json`));
  const studioml = ((document || undefined)?.['studioml'] ?? {}) as Record<string, unknown>;
  const failure = studioml['failure'] as { readonly message?: string } | undefined;
  const code = studioml['exit_code'];
  const ok = studioml['status'] === 'completed';
  return {
    status,
    exitCode: typeof code === 'number' ? code : ok ? 0 : 1,
    ...(failure?.message === undefined ? {} : { message: failure.message }),
  };
};

/**
 * Follow an experiment by its object in the metadata store until it is over: its state as it changes, its output as it is stored, or as it comes
 * where its runner is known.
 * Errors: those of the stores; the signal's reason.
 */
export const follow = async (settings: FollowSettings): Promise<Followed> => {
  const { key, database, say, everyMs = 1000, signal } = settings;
  const storedOutput = createStoredOutput(settings);
  let last = '';
  let tailed = false;
  for (;;) {
    signal.throwIfAborted();
    const record = await readJson(database, `experiments/${key}`);
    const status = typeof record?.['status'] === 'string' ? record['status'] : 'unknown';
    if (status !== last) say(status);
    last = status;
    if (status === 'running' && (await tailOnce(settings))) tailed = true;
    else if (!tailed) await storedOutput();
    if (status === 'finished' || status === 'stopped') {
      if (!tailed) await storedOutput();
      return howItEnded(settings, status);
    }
    await sleep(everyMs, signal);
  }
};
