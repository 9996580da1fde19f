import { text } from 'node:stream/consumers';
import { isStoreError, messageOf, StoreError } from '../errors.ts';
import { sleep, within } from '../flow/wait.ts';
import type { ExperimentRecord, RecordChange } from '../model/attempt.ts';
import type { ObjectLocation } from '../storage/object-store.ts';
import type { About, Emit } from '../telemetry/events.ts';
import { isWholeObject, stringMember, withMembers } from './members.ts';

export interface RecordContext {
  readonly emit: Emit;
  readonly about: About;
  /** Time that one look or one change may take, ms. Default: 5,000. */
  readonly limitMs?: number;
}

/** What was read last. Without an etag it is only good until something else was waited for. */
interface Seen {
  readonly content: string;
  readonly etag: string | undefined;
}

/** How long a change may wait for the next one, ms. */
const soonMs = 1000;
/** So often a change begins anew because somebody else was quicker. */
const maxConflicts = 5;
const pauseMs = 200;

/** Members of the object, as the client names them; times in seconds. */
const membersOf = ({ status, startedAtMs, checkpointedAtMs, finishedAtMs }: RecordChange) => ({
  ...(status === undefined ? {} : { status }),
  ...(startedAtMs === undefined ? {} : { time_started: startedAtMs / 1000 }),
  ...(checkpointedAtMs === undefined ? {} : { time_last_checkpoint: checkpointedAtMs / 1000 }),
  ...(finishedAtMs === undefined ? {} : { time_finished: finishedAtMs / 1000 }),
});

/**
 * The object of an experiment in its metadata store. Read by a conditional get, which costs little where nothing changed; written
 * with If-Match where the store gives etags, and then read only where somebody else wrote meanwhile. What could not be written goes with the next change.
 * Source: spec "Metadata store".
 */
export const createExperimentRecord = ({ store, key }: ObjectLocation, use: RecordContext): ExperimentRecord => {
  const limitMs = use.limitMs ?? 5000;
  let seen: Seen | undefined;
  let wanted: RecordChange = {};
  let line = Promise.resolve();
  let later: NodeJS.Timeout | undefined;
  let isFailing = false;

  const look = async (signal: AbortSignal): Promise<Seen | undefined> => {
    try {
      const { body, etag } = await store.get(key, signal, seen?.etag === undefined ? {} : { ifNoneMatch: seen.etag });
      const content = await text(body);
      if (!isWholeObject(content)) {
        throw new StoreError('unavailable', 'the object is not, or not yet, a whole JSON object', {
          store: store.name,
          key,
        });
      }
      seen = { content, etag };
    } catch (error) {
      if (isStoreError(error, 'missing')) seen = undefined;
      else if (!isStoreError(error, 'precondition')) throw error;
    }
    return seen;
  };
  const isStopped = (found: Seen | undefined) =>
    found !== undefined && stringMember(found.content, 'status') === 'stopped';

  const change = async (signal: AbortSignal): Promise<void> => {
    for (let conflicts = 0; conflicts < maxConflicts; conflicts++) {
      // What was read last may do: where it changed since, the store refuses.
      const found = seen?.etag === undefined ? await look(signal) : seen;
      // The user has deleted the experiment, or never had it there.
      if (!found) return;
      const { status, ...times } = wanted;
      const content = withMembers(found.content, membersOf(isStopped(found) || !status ? times : wanted));
      if (content === found.content) return;
      try {
        const condition = found.etag === undefined ? {} : { ifMatch: found.etag };
        const { etag } = await store.put(key, Buffer.from(content), {
          signal,
          contentType: 'application/json',
          ...condition,
        });
        seen = { content, etag };
        return;
      } catch (error) {
        if (!isStoreError(error, 'precondition') && !isStoreError(error, 'missing')) throw error;
        seen = undefined;
      }
    }
    throw new StoreError('unavailable', 'others change the object all the time', { store: store.name, key });
  };

  const write = async (tries: number): Promise<void> => {
    for (let left = tries; Object.keys(wanted).length > 0;) {
      const tried = wanted;
      try {
        await within(limitMs, change);
        if (wanted === tried) wanted = {};
        isFailing = false;
      } catch (error) {
        left -= 1;
        if (left > 0 && isStoreError(error, 'unavailable')) {
          await sleep(pauseMs);
          continue;
        }
        isFailing = true;
        use.emit('record-failed', { error: messageOf(error) }, use.about);
        return;
      }
    }
  };

  const set = (next: RecordChange, tries = 1): Promise<void> => {
    clearTimeout(later);
    later = undefined;
    wanted = { ...wanted, ...next };
    return (line = line.then(() => write(tries)));
  };

  return {
    isStopped: async signal => {
      try {
        const stopped = isStopped(await within(limitMs, look, signal));
        isFailing = false;
        return stopped;
      } catch (error) {
        if (!signal.aborted && !isFailing) use.emit('record-failed', { error: messageOf(error) }, use.about);
        isFailing ||= !signal.aborted;
        return false;
      }
    },
    set,
    setSoon: next => {
      wanted = { ...wanted, ...next };
      later ??= setTimeout(() => void set({}), soonMs);
    },
  };
};

/** For an experiment whose request names no metadata store. */
export const noRecord: ExperimentRecord = {
  isStopped: () => Promise.resolve(false),
  set: () => Promise.resolve(),
  setSoon: () => undefined,
};
