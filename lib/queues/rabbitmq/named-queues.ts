import { Observable } from 'rxjs';
import { sleep } from '../../flow/wait.ts';
import { isNotFound, onThrowAwayChannel } from './channels.ts';
import type { Connection } from './connection.ts';
import { isWorkQueue } from './discovery.ts';

export interface NamedQueuesSettings {
  readonly connection: Connection;
  readonly names: readonly string[];
  readonly everyMs: number;
}

/**
 * Which of these queues are there, one set a look: for brokers whose management API can't be asked. Each is asked after on a
 * channel that is thrown away, since asking after one that is not there closes it.
 */
export const discoverByName = ({ connection, names, everyMs }: NamedQueuesSettings): Observable<ReadonlySet<string>> =>
  new Observable<ReadonlySet<string>>(subscriber => {
    const controller = new AbortController();
    const { signal } = controller;
    const isThere = async (name: string): Promise<boolean> => {
      const { model } = await connection.current(signal);
      try {
        await onThrowAwayChannel(model, channel => channel.checkQueue(name));
        return true;
      } catch (error) {
        if (isNotFound(error)) return false;
        throw error;
      }
    };
    const look = async (): Promise<ReadonlySet<string>> => {
      const there = new Set<string>();
      for (const name of names) if (isWorkQueue(name) && (await isThere(name))) there.add(name);
      return there;
    };
    const loop = async () => {
      while (!signal.aborted) {
        // A connection that ends in between tells nothing about its queues.
        const there = await look().catch(() => undefined);
        if (there) subscriber.next(there);
        await sleep(everyMs, signal).catch(() => undefined);
      }
    };
    if (names.length > 0) void loop();
    else subscriber.next(new Set());
    return () => {
      controller.abort();
    };
  });
