import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Subject, type Observable } from 'rxjs';
import { messageOf } from '../errors.ts';
import type { Emit } from '../telemetry/events.ts';
import { lookAtKeyFile, readFault, withoutPath, type KeyFileLook } from './key-file.ts';
import { repeat } from './repeat.ts';

/** One file of a directory of keys. Its name is the beginning of the names of the queues it is for. */
export type KeyFile<K> =
  | { readonly type: 'key'; readonly name: string; readonly path: string; readonly key: K }
  /** It can't be used; `fault` says why and what was expected. */
  | { readonly type: 'fault'; readonly name: string; readonly path: string; readonly fault: string };

/** The directory itself can't be listed, so nobody knows whether a queue has a key. */
export interface Unlisted {
  readonly type: 'unlisted';
  readonly fault: string;
}

export interface KeyDirectory<K> {
  readonly directory: string;
  /** Why the directory itself can't be listed. One that isn't there is empty, that is no fault. */
  readonly fault: string | undefined;
  /** All files, by name. */
  readonly files: readonly KeyFile<K>[];
  /**
   * The file for a queue: the one with the longest name that the queue's short name begins with. Where that one can't be used a
   * shorter one does not stand in for it: who put it there didn't mean the other. While the directory can't be listed, what was
   * there before stands, and of other queues nobody knows.
   */
  readonly find: (queue: string) => KeyFile<K> | Unlisted | undefined;
  /** After each change that is in effect. */
  readonly changed$: Observable<void>;
  /** Look now, and resolve when what was found is in effect. */
  readonly look: () => Promise<void>;
  readonly close: () => void;
}

export interface KeyDirectorySettings<K> {
  readonly directory: string;
  /** One file's key. Throws with what was found and what was expected, in words that show nothing of the contents. */
  readonly read: (bytes: Buffer) => K;
  readonly emit: Emit;
}

interface Entry<K> {
  readonly file: KeyFile<K>;
  readonly stamp: string;
  readonly digest?: string | undefined;
  /** The last look found the key gone or broken; the next one decides. */
  readonly doubtful?: boolean;
}

const isKeyName = (name: string): boolean => name !== 'info' && !name.startsWith('.');

type Listing =
  | { readonly names: readonly string[]; readonly isMissing?: boolean; readonly fault?: never }
  | { readonly fault: string };

const listed = async (directory: string): Promise<Listing> => {
  try {
    return { names: (await readdir(directory)).filter(isKeyName).sort() };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { names: [], isMissing: true };
    const notOne = (error as NodeJS.ErrnoException).code === 'ENOTDIR';
    const why = notOne ? 'it is not a directory' : readFault(error);
    return { fault: `${directory}: ${why}; expected a directory of key files` };
  }
};

/**
 * A directory of key files, looked at again and again for as long as it is open: files may come, change and go, and so may the
 * directory, or the links of a Kubernetes mount. A look is one listing and one stat a file, and needs nothing of the file system
 * that network mounts lack. A key that is gone or broken at one look is believed at the next, a moment later, so that a file
 * that is being written or replaced takes nothing away. A directory that is there and can't be listed (too many open files, a
 * network mount that fails) takes nothing away either: that a queue has no key is believed of a listing only. Every change is in
 * effect within a second.
 * Source: spec "Signing keys".
 */
export const openKeyDirectory = async <K>(settings: KeyDirectorySettings<K>): Promise<KeyDirectory<K>> => {
  const { directory, read, emit } = settings;
  const changed$ = new Subject<void>();
  let entries: ReadonlyMap<string, Entry<K>> = new Map();
  let fault: string | undefined;
  let wasMissing = false;

  const parse = (name: string, path: string, look: KeyFileLook): KeyFile<K> => {
    try {
      if (look.bytes === undefined) throw new Error(look.fault);
      return { type: 'key', name, path, key: read(look.bytes) };
    } catch (error) {
      return { type: 'fault', name, path, fault: `${path}: ${messageOf(error)}` };
    }
  };

  const entryOf = async (name: string): Promise<Entry<K>> => {
    const before = entries.get(name);
    const path = join(directory, name);
    const look = await lookAtKeyFile(path, before?.stamp);
    if (before !== undefined && look.stamp === before.stamp) return before;
    const { stamp, digest } = look;
    if (before?.file.type === 'key' && digest === before.digest) return { file: before.file, stamp, digest };
    return { file: parse(name, path, look), stamp, digest };
  };

  const tell = (before: Entry<K> | undefined, file: KeyFile<K>) => {
    if (file.type === 'fault') emit('key-unusable', { file: file.path, why: withoutPath(file.path, file.fault) });
    else emit('key-changed', { file: file.path, change: before?.file.type === 'key' ? 'changed' : 'added' });
  };

  const unlistable = (why: string) => {
    if (fault === why) return;
    emit('key-unusable', { file: directory, why: withoutPath(directory, why) });
    fault = why;
    changed$.next();
  };

  /** Out: whether something is in doubt, so that the next look must come soon. */
  const look = async (): Promise<boolean> => {
    // Most runners have not all of these directories: that there is still nothing needs no thread of the pool.
    if (wasMissing && !existsSync(directory)) return false;
    const listing = await listed(directory);
    if (listing.fault !== undefined) {
      unlistable(listing.fault);
      return false;
    }
    wasMissing = listing.isMissing === true && entries.size === 0;
    const found = new Map<string, Entry<K>>();
    for (const entry of await Promise.all(listing.names.map(entryOf))) found.set(entry.file.name, entry);
    let changed = fault !== undefined;
    let doubt = false;
    for (const [name, before] of entries) {
      const wasGood = before.file.type === 'key';
      if (wasGood && found.get(name)?.file.type !== 'key' && before.doubtful !== true) {
        // No stamp: the next look reads it again, whatever it finds.
        found.set(name, { ...before, stamp: '', doubtful: true });
        doubt = true;
      } else if (!found.has(name)) {
        emit('key-changed', { file: before.file.path, change: 'removed' });
        changed = true;
      }
    }
    for (const [name, entry] of found) {
      const before = entries.get(name);
      if (before?.file === entry.file) continue;
      tell(before, entry.file);
      changed = true;
    }
    fault = undefined;
    entries = found;
    if (changed) changed$.next();
    return doubt;
  };

  const looks = repeat(look);
  await looks.now();
  return {
    directory,
    get fault() {
      return fault;
    },
    get files() {
      return [...entries.values()].map(entry => entry.file);
    },
    find: queue => {
      let longest: KeyFile<K> | undefined;
      for (const { file } of entries.values()) {
        if (queue.startsWith(file.name) && file.name.length > (longest?.name.length ?? -1)) longest = file;
      }
      return longest ?? (fault === undefined ? undefined : { type: 'unlisted', fault });
    },
    changed$: changed$.asObservable(),
    look: looks.now,
    close: () => {
      looks.stop();
      changed$.complete();
    },
  };
};
