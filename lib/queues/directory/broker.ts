import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { Observable } from 'rxjs';
import { messageOf } from '../../errors.ts';
import { defaultMaxMessageBytes } from '../../request/json-body.ts';
import type { Emit } from '../../telemetry/events.ts';
import type { QueueBroker } from '../queue.ts';
import { keepClaims } from './claims.ts';
import { countInDirectory } from './count.ts';
import { createDirectoryReporter } from './reporter.ts';
import { changesOf } from './watch.ts';
import { createDirectoryQueue } from './work-queue.ts';

export interface DirectorySettings {
  /** Each subdirectory is a queue. */
  readonly root: string;
  /** Names this runner's claims, for people. */
  readonly runnerId: string;
  /** After this long without a heartbeat a runner's claims go home, ms. */
  readonly leaseMs: number;
  /** A larger message is handed over unread. Default: larger than any request. */
  readonly maxMessageBytes?: number;
  readonly emit: Emit;
  readonly now?: () => number;
}

/** Subdirectories that are queues: no dot directories, no queues of reports. */
const queuesIn = async (root: string): Promise<ReadonlySet<string>> => {
  const entries = await readdir(root, { withFileTypes: true });
  const names = entries.filter(entry => entry.isDirectory()).map(entry => entry.name);
  return new Set(names.filter(name => !name.startsWith('.') && !name.endsWith('_response')));
};

const discover = (root: string, emit: Emit): Observable<ReadonlySet<string>> =>
  new Observable<ReadonlySet<string>>(subscriber => {
    const controller = new AbortController();
    const loop = async () => {
      let last = '';
      let names: ReadonlySet<string> = new Set();
      let fault = '';
      for await (const _ of changesOf(root, controller.signal)) {
        try {
          const found = await queuesIn(root);
          const all = [...found].sort().join('\n');
          fault = '';
          if (all !== last) names = found;
          last = all;
          subscriber.next(names);
        } catch (error) {
          const words = messageOf(error);
          if (words !== fault) emit('discovery-failed', { kind: 'directory', error: words });
          fault = words;
        }
      }
    };
    void loop();
    return () => {
      controller.abort();
    };
  });

/**
 * Directories as queues: claims by rename, a heartbeat by modification time.
 * Source: spec "Local directory".
 */
export const createDirectoryBroker = (settings: DirectorySettings): QueueBroker => {
  const { root, leaseMs, maxMessageBytes = defaultMaxMessageBytes, emit, now = Date.now } = settings;
  // Containers that follow one another have one host name and one process id: the claims of the one before are not ours.
  const runnerId = `${settings.runnerId}-${randomBytes(4).toString('hex')}`;
  const claims = keepClaims({ root, runnerId, leaseMs, emit, now });
  return {
    kind: 'directory',
    discover: () => discover(root, emit),
    open: name => createDirectoryQueue({ root, name, runnerId, claims, maxMessageBytes, emit, now }),
    reporter: name => createDirectoryReporter({ root, name, emit, now }),
    count: names => countInDirectory(root, names),
    close: () => claims.close(),
  };
};
