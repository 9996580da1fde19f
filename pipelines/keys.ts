import { stat } from 'node:fs/promises';
import { merge, type Observable } from 'rxjs';
import { flagOf } from '../lib/config/option-rows.ts';
import { options as table, type Options } from '../lib/config/options.ts';
import { openKeyDirectory, type KeyDirectory } from '../lib/crypto/key-directory.ts';
import { readFault } from '../lib/crypto/key-file.ts';
import { openKeyring, type Keyring } from '../lib/crypto/keyring.ts';
import { readSenderKey, type SenderKey } from '../lib/crypto/sender-key.ts';
import { OptionsError } from '../lib/errors.ts';
import type { Emit } from '../lib/telemetry/events.ts';

/** The keys that decide which messages are accepted. */
export interface Keys {
  readonly cluster: Keyring;
  readonly senders: KeyDirectory<SenderKey>;
  /** After each change that is in effect. */
  readonly changed$: Observable<void>;
  /** Why this runner could accept no message at all of a queue, naming the file that it lacks; undefined where it could. */
  readonly refusal: (queue: string) => string | undefined;
  readonly close: () => void;
}

const directories = ['certsDir', 'encryptDir', 'requestSignaturesDir', 'responseSignaturesDir'] as const;

const directoryFault = async (path: string): Promise<string | undefined> => {
  try {
    return (await stat(path)).isDirectory() ? undefined : 'it is not a directory';
  } catch (error) {
    return readFault(error).replace('no such file', 'no such directory');
  }
};

/**
 * What is wrong with directories of keys that were named by hand, each in words. The default ones need not be there: a runner of
 * clear text has no keys.
 */
export const keyDirectoryFaults = async (options: Options): Promise<readonly string[]> => {
  const faults: string[] = [];
  for (const name of directories) {
    const fault = options.given.has(name) ? await directoryFault(options[name]) : undefined;
    const row = table[name];
    if (fault !== undefined) {
      faults.push(`${flagOf(row)} (${row.env}): found "${options[name]}", but ${fault}; expected a directory of keys`);
    }
  }
  return faults;
};

const refusalOf = (clearTextMessages: boolean, cluster: Keyring, senders: KeyDirectory<SenderKey>, queue: string) => {
  const sender = senders.find(queue);
  if (sender === undefined) {
    if (clearTextMessages) return undefined;
    const lacking = `a file in ${senders.directory} that is named with the beginning of the queue's name`;
    return `CLEAR_TEXT_MESSAGES is false, and there is no key of a sender for it: expected ${lacking}`;
  }
  if (sender.type !== 'key') return sender.fault;
  return cluster.keys.length > 0 ? undefined : cluster.fault;
};

/**
 * Open the directories of keys that accept messages.
 * Errors: OptionsError for one that was named by hand and isn't there.
 * Source: spec "Encrypted request".
 */
export const openKeys = async (options: Options, emit: Emit): Promise<Keys> => {
  const faults = await keyDirectoryFaults(options);
  if (faults.length > 0) throw new OptionsError(faults);
  const [cluster, senders] = await Promise.all([
    openKeyring({ directory: options.encryptDir, emit, optional: options.clearTextMessages }),
    openKeyDirectory({ directory: options.requestSignaturesDir, read: readSenderKey, emit }),
  ]);
  return {
    cluster,
    senders,
    changed$: merge(cluster.changed$, senders.changed$),
    refusal: queue => refusalOf(options.clearTextMessages, cluster, senders, queue),
    close: () => {
      cluster.close();
      senders.close();
    },
  };
};
