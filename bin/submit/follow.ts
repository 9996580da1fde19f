import { text } from 'node:stream/consumers';
import { isStoreError, messageOf, StoreError } from '../../lib/errors.ts';
import { sleep } from '../../lib/flow/wait.ts';
import { fenceBeside, readFence } from '../../lib/storage/fence.ts';
import type { ObjectStore } from '../../lib/storage/object-store.ts';
import { headersOf, pathOf } from '../ask/ask-runner.ts';
import { createStoredOutput, type StoredOutputSettings } from './stored-output.ts';
import type { NeverRuns, Waiting } from './while-waiting.ts';

export interface FollowSettings extends StoredOutputSettings {
  readonly key: string;
  readonly database: ObjectStore;
  /** The runner, where it is known. */
  readonly runner: { readonly url: URL; readonly token: string | undefined } | undefined;
  readonly waiting: Waiting;
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

/** A store that is away for a moment is asked again. */
const orMissing = async <T>(work: Promise<T>, away: (error: StoreError) => void): Promise<T | undefined> => {
  try {
    return await work;
  } catch (error) {
    if (isStoreError(error, 'missing')) return undefined;
    if (!(error instanceof StoreError) || error.code !== 'unavailable') throw error;
    away(error);
    return undefined;
  }
};

type Json = Readonly<Record<string, unknown>>;

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

/**
 * Follow an experiment by its object in the metadata store until it is over: its state as it changes, its output as it is stored, or
 * as it comes where its runner is known. It is over too when its message was rejected, when it was not started within its lifetime,
 * and when its object is deleted.
 * Errors: those of the stores; the signal's reason.
 */
export const follow = async (settings: FollowSettings): Promise<Followed> => {
  const { key, artifacts, database, waiting, say, everyMs = 1000, signal } = settings;
  const storedOutput = createStoredOutput(settings);
  let isAway = false;
  const away = (error: StoreError) => {
    if (!isAway) say(`the store is asked again: ${messageOf(error)}`);
    isAway = true;
  };
  const readJson = async (store: ObjectStore, object: string): Promise<Json | undefined> => {
    isAway = false;
    const found = await orMissing(store.get(object), away);
    return found && (JSON.parse(await text(found.body)) as Json);
  };
  const fenceMark = async () =>
    (await orMissing(readFence(fenceBeside({ store: database, key: `experiments/${key}` })), away))?.mark;

  const never = ({ status, message }: NeverRuns): Followed => ({ status, exitCode: 1, message });
  const howItEnded = async (status: string): Promise<Followed> => {
    const accession = (await fenceMark())?.accession;
    if (accession === undefined) {
      const why = await waiting.refusal();
      return why ? never(why) : { status, exitCode: 1, message: 'it ended before it was started' };
    }
    const document = await readJson(artifacts, `metadata/scrape-host-${accession}.json`);
    const studioml = (document?.['studioml'] ?? {}) as Json;
    const failure = studioml['failure'] as { readonly message?: string } | undefined;
    const code = studioml['exit_code'];
    const ok = studioml['status'] === 'completed';
    return {
      status,
      exitCode: typeof code === 'number' ? code : ok ? 0 : 1,
      ...(failure?.message === undefined ? {} : { message: failure.message }),
    };
  };

  let last = '';
  let tailed = false;
  let missed = 0;
  for (;;) {
    signal.throwIfAborted();
    const record = await readJson(database, `experiments/${key}`);
    missed = record || isAway ? 0 : missed + 1;
    if (missed > 1)
      return {
        status: 'deleted',
        exitCode: 1,
        message: 'somebody deleted it: its object in the metadata store is gone',
      };
    const status = typeof record?.['status'] === 'string' ? record['status'] : last;
    if (status !== last) say(status);
    last = status;
    if (status === 'running' && (await tailOnce(settings))) tailed = true;
    else if (!tailed) await storedOutput();
    if (status === 'finished' || status === 'stopped') {
      if (!tailed) await storedOutput();
      return howItEnded(status);
    }
    if (status === 'waiting') {
      const why = await waiting.look();
      // Its inputs may take longer to fetch than it had to start.
      if (why && (why.status === 'rejected' || (await fenceMark())?.state !== 'running')) return never(why);
    }
    await sleep(everyMs, signal);
  }
};
