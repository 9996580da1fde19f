import { Worker } from 'node:worker_threads';
import type { ByteRing } from '../../flow/byte-ring.ts';
import type { Digest, SignedGet } from '../object-store.ts';
import type { FromReceiver, ReceiveTask, ToReceiver } from './receive-protocol.ts';

// In a build this file and the thread's are JavaScript.
const program = new URL(import.meta.url.replace(/receive-thread(\.[jt]s)$/, 'receive-worker$1'));

/** A thread that receives one object. */
export interface Receiver {
  /** Bytes so far. */
  readonly at: () => number;
  /** Receive the rest. Out: what came of it. Errors: those of the thread itself. */
  readonly receive: (get: SignedGet) => Promise<FromReceiver>;
  readonly close: () => Promise<void>;
}

/** Start a thread that takes an object off its connection, compares it with its digest, and fills a ring with it. */
export const startReceiver = (ring: ByteRing, sizeBytes: number, digest: Digest | undefined): Receiver => {
  const received = new SharedArrayBuffer(8);
  const workerData: ReceiveTask = { ring, sizeBytes, digest, received };
  const thread = new Worker(program, { workerData, name: 'receive' });
  return {
    at: () => Number(Atomics.load(new BigInt64Array(received), 0)),
    receive: get =>
      new Promise((resolve, reject) => {
        thread.removeAllListeners();
        thread.once('message', resolve);
        thread.once('error', reject);
        thread.once('exit', code => reject(new Error(`the thread that receives ended by itself [code=${code}]`)));
        thread.postMessage({ get } satisfies ToReceiver);
      }),
    close: async () => {
      thread.removeAllListeners().on('error', () => undefined);
      await thread.terminate();
    },
  };
};
