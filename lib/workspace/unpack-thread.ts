import { Worker } from 'node:worker_threads';
import { AttemptError } from '../errors.ts';
import type { DiskBudget } from './disk-budget.ts';
import type { FromThread, ToThread, UnpackTask } from './unpack-protocol.ts';

/** Buffers that go back and forth, and the size of each: what is read ahead of the disk. */
const bufferCount = 8;
const bufferBytes = 256 * 1024;

// In a build this file and the thread's are JavaScript.
const program = new URL(import.meta.url.replace(/unpack-thread(\.[jt]s)$/, 'unpack-worker$1'));

/**
 * Unpack in a thread of its own: there, calls that block are the quickest, and nobody waits for them. The source is read at the pace
 * of that thread.
 * Out: the bytes counted.
 * Errors: those of the source; AttemptError as the thread says; nothing of a failed one stays counted. When it is told, nothing is
 * written any more.
 */
export const unpackInThread = async (
  source: AsyncIterable<Buffer>,
  task: Omit<UnpackTask, 'budget' | 'spent'>,
  budget: DiskBudget,
  signal: AbortSignal | undefined,
): Promise<number> => {
  const spent = new SharedArrayBuffer(8);
  const workerData: UnpackTask = { ...task, budget: budget.shared, spent };
  const thread = new Worker(program, { workerData, name: 'unpack' });
  const free: ArrayBuffer[] = Array.from({ length: bufferCount }, () => new ArrayBuffer(bufferBytes));
  let freed: (() => void) | undefined;
  const say = (message: ToThread) => thread.postMessage(message, message.type === 'bytes' ? [message.buffer] : []);

  const ended = new Promise<number>((resolve, reject) => {
    thread.on('message', (message: FromThread) => {
      switch (message.type) {
        case 'free':
          free.push(message.buffer);
          freed?.();
          break;
        case 'done':
          resolve(message.bytes);
          break;
        case 'failed':
          reject(new AttemptError(message.cause, message.message));
          break;
        default:
          message satisfies never;
      }
    });
    thread.on('error', reject);
    thread.on('exit', code => reject(new Error(`the thread that unpacks ended by itself [code=${code}]`)));
    signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    if (signal?.aborted) reject(signal.reason as Error);
  });
  // It is looked at when the source is done, or where a buffer is waited for.
  ended.catch(() => freed?.());

  let isOver = false;
  void ended.catch(() => (isOver = true));
  const nextBuffer = async (): Promise<ArrayBuffer> => {
    for (;;) {
      if (isOver) await ended;
      const buffer = free.pop();
      if (buffer) return buffer;
      await new Promise<void>(resolve => (freed = resolve));
    }
  };
  const send = async () => {
    let buffer = await nextBuffer();
    let filled = 0;
    for await (const chunk of source) {
      for (let at = 0; at < chunk.length;) {
        const part = chunk.subarray(at, at + bufferBytes - filled);
        new Uint8Array(buffer, filled).set(part);
        filled += part.length;
        at += part.length;
        if (filled < bufferBytes) continue;
        say({ type: 'bytes', buffer, length: filled });
        buffer = await nextBuffer();
        filled = 0;
      }
    }
    if (filled > 0) say({ type: 'bytes', buffer, length: filled });
    say({ type: 'end' });
  };
  try {
    await Promise.race([send(), ended.then(() => undefined)]);
    return await ended;
  } catch (error) {
    await thread.terminate();
    budget.refund(Number(Atomics.load(new BigInt64Array(spent), 0)));
    throw error;
  }
};
