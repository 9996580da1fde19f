import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Subject, type Observable } from 'rxjs';
import { messageOf } from '../errors.ts';
import type { Emit } from '../telemetry/events.ts';
import { readClusterKey, type ClusterKey } from './cluster-key.ts';
import { isAbsent, lookAtKeyFile, withoutPath, type KeyFileLook } from './key-file.ts';
import { repeat } from './repeat.ts';

/** The files of a cluster's key pair below its directory. Source: spec "Encrypted request", Keys. */
export const clusterFiles = (directory: string) => ({
  privateKey: join(directory, 'encryption/ssh-privatekey'),
  publicKey: join(directory, 'encryption/ssh-publickey'),
  passphrase: join(directory, 'passphrase/ssh-passphrase'),
});

/** What opens envelopes. */
export interface Keyring {
  /** The key in use, and after a swap the one before it: what was sealed for that may still wait in a queue. */
  readonly keys: readonly ClusterKey[];
  /** Why there is no key in use, or why the newest file is not; names the file. */
  readonly fault: string | undefined;
  /** After each change that is in effect. */
  readonly changed$: Observable<void>;
  /** Look now, and resolve when what was found is in effect. */
  readonly look: () => Promise<void>;
  readonly close: () => void;
}

interface Found {
  readonly key?: ClusterKey;
  readonly fault?: string;
}

const open = (path: string, privateKey: KeyFileLook, passphrasePath: string, passphrase: KeyFileLook): Found => {
  if (privateKey.bytes === undefined) return { fault: `${path}: ${privateKey.fault ?? ''}` };
  try {
    return { key: readClusterKey(privateKey.bytes, passphrase.bytes) };
  } catch (error) {
    const { fault } = passphrase;
    const about = fault === undefined ? passphrasePath : `${passphrasePath}: ${fault}`;
    return { fault: `${path}: ${messageOf(error)} [passphrase=${about}]` };
  }
};

export interface KeyringSettings {
  readonly directory: string;
  readonly emit: Emit;
  /** Work goes on without a key: that there never was one is nothing to tell. Default: false. */
  readonly optional?: boolean;
}

/**
 * A cluster's private key, looked at again and again for as long as it is open. A key takes effect within a second of its files.
 * Key and passphrase may be two mounts that change one after the other: as long as they don't fit each other the key before
 * them stays. It goes when its file does; one that can't be looked at, as on a network mount that fails, stays.
 */
export const openKeyring = async ({ directory, emit, optional = false }: KeyringSettings): Promise<Keyring> => {
  const { privateKey: path, passphrase: passphrasePath } = clusterFiles(directory);
  const changed$ = new Subject<void>();
  let keys: readonly ClusterKey[] = [];
  let fault: string | undefined;
  let stamps: readonly [string, string] = ['', ''];
  let doubtful = false;

  const use = (key: ClusterKey) => {
    if (keys[0]?.publicPem === key.publicPem) return;
    emit('key-changed', { file: path, change: keys.length > 0 ? 'changed' : 'added' });
    keys = [key, ...keys.slice(0, 1)];
    changed$.next();
  };

  const lack = (why: string, gone: boolean) => {
    const had = keys.length > 0;
    if (fault !== why && !(optional && gone && !had)) emit('key-unusable', { file: path, why: withoutPath(path, why) });
    if (gone && had) {
      emit('key-changed', { file: path, change: 'removed' });
      keys = [];
    }
    if (fault !== why || (gone && had)) {
      fault = why;
      changed$.next();
    }
  };

  /** Out: whether something is in doubt, so that the next look must come soon. */
  const look = async (): Promise<boolean> => {
    // A runner without a key of a cluster: that there is still none needs no thread of the pool.
    if (stamps.every(isAbsent) && !doubtful && ![path, passphrasePath].some(file => existsSync(file))) return false;
    const [first, second] = await Promise.all([
      lookAtKeyFile(path, stamps[0]),
      lookAtKeyFile(passphrasePath, stamps[1]),
    ]);
    if (first.stamp === stamps[0] && second.stamp === stamps[1] && !doubtful) return false;
    const [privateKey, passphrase] = await Promise.all([lookAtKeyFile(path), lookAtKeyFile(passphrasePath)]);
    stamps = [privateKey.stamp, passphrase.stamp];
    const found = open(path, privateKey, passphrasePath, passphrase);
    const gone = isAbsent(privateKey.stamp);
    const bad = found.key === undefined;
    // A file that is replaced or written may be missing, or not whole, for a moment.
    if (bad && keys.length > 0 && !doubtful) return (doubtful = true);
    doubtful = false;
    if (found.key) {
      fault = undefined;
      use(found.key);
    } else lack(found.fault ?? '', gone);
    return false;
  };

  const looks = repeat(look);
  await looks.now();
  return {
    get keys() {
      return keys;
    },
    get fault() {
      return fault;
    },
    changed$: changed$.asObservable(),
    look: looks.now,
    close: () => {
      looks.stop();
      changed$.complete();
    },
  };
};
