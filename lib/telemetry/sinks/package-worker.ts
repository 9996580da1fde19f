/** The thread that a pino transport runs in: what it does there, and where it is stuck, holds nobody up. */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../errors.ts';

/** What the thread is given, and what it says. */
export interface WorkerInput {
  /** URL of the package's main file. */
  readonly target: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** By this transports know that a message with the settings comes. */
  readonly workerData: { readonly pinoWillSendConfig: true };
}
export type FromWorker =
  { readonly type: 'ready' | 'taken' | 'ended' } | { readonly type: 'failed'; readonly error: string };

type Build = (options: unknown) => Writable | Promise<Writable>;

const say = (message: FromWorker): void => parentPort?.postMessage(message);

const { target, options } = workerData as WorkerInput;
const loaded = (await import(target)) as { default: Build | { default: Build } };
const build = typeof loaded.default === 'function' ? loaded.default : loaded.default.default;
const stream = await build(options);
stream.on('error', error => say({ type: 'failed', error: messageOf(error) }));
parentPort?.on('message', (message: { readonly lines?: string; readonly end?: true }) => {
  if (message.lines !== undefined) {
    if (stream.write(message.lines)) say({ type: 'taken' });
    else void once(stream, 'drain').then(() => say({ type: 'taken' }));
  } else if (message.end) {
    stream.once('close', () => say({ type: 'ended' }));
    stream.end();
  }
});
say({ type: 'ready' });
