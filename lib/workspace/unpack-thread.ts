import { Worker } from 'node:worker_threads';
import { AttemptError } from '../errors.ts';
import { breakRing, createByteRing, type ByteRing } from '../flow/byte-ring.ts';
import type { DiskBudget } from './disk-budget.ts';
import type { FromThread, UnpackTask } from './unpack-protocol.ts';

// In a build this file and the thread's are JavaScript.
const program = new URL(import.meta.url.replace(/unpack-thread(\.[jt]s)$/, 'unpack-worker$1'));

/**
 * Unpack in a thread of its own: there, calls that block are the quickest, and nobody waits for them. What it unpacks comes through a
 * ring of memory, at the pace of that thread.
 * @param pour fills the ring; it fails when the ring is broken, and it breaks the ring when it fails
 * Out: the bytes counted.
 * Errors: those of `pour`; AttemptError as the thread says; the signal's reason; nothing of a failed one stays counted. When it is
 * told, nothing is written any more.
 */
export const unpackInThread = async (
  pour: (ring: ByteRing) => Promise<void>,
  task: Omit<UnpackTask, 'budget' | 'spent' | 'ring'>,
  budget: DiskBudget,
  signal: AbortSignal | undefined,
): Promise<number> => {
  const spent = new SharedArrayBuffer(8);
  const ring = createByteRing();
  const workerData: UnpackTask = { ...task, ring, budget: budget.shared, spent };
  const thread = new Worker(program, { workerData, name: 'unpack' });
  const onAbort = () => breakRing(ring);
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  const said = new Promise<FromThread>((resolve, reject) => {
    thread.on('message', resolve);
    thread.on('error', reject);
    thread.on('exit', code => reject(new Error(`the thread that unpacks ended by itself [code=${code}]`)));
  }).finally(onAbort);
  const poured = pour(ring).then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  try {
    const end = await said;
    if (end.type === 'failed') {
      void poured;
      throw new AttemptError(end.cause, end.message);
    }
    const failed = await poured;
    signal?.throwIfAborted();
    if (failed) throw failed.error;
    if (end.type === 'cut') throw new Error('a transfer ended without a reason');
    return end.bytes;
  } catch (error) {
    await thread.terminate();
    await poured;
    budget.refund(Number(Atomics.load(new BigInt64Array(spent), 0)));
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
};
