import { parentPort, workerData } from 'node:worker_threads';
import { RingBroken, RingWriter } from '../../flow/byte-ring.ts';
import { checkFor } from '../checks.ts';
import { getRange } from './get-range.ts';
import type { FromReceiver, ReceiveTask, ToReceiver } from './receive-protocol.ts';
import { ReplyError } from './reply-head.ts';

const { ring, sizeBytes, digest, received } = workerData as ReceiveTask;
const port = parentPort;
if (!port) throw new Error('this is a thread of the runner');

const writer = new RingWriter(ring);
const check = digest && checkFor(digest);
const count = new BigInt64Array(received);
let at = 0;
let writing: Promise<void> | undefined;

const onBytes = (piece: Buffer): Promise<void> | undefined => {
  at += piece.length;
  Atomics.store(count, 0, BigInt(at));
  check?.update(piece);
  writing = writer.write(piece);
  return writing;
};

const go = async ({ get }: ToReceiver): Promise<FromReceiver> => {
  try {
    await writing;
    if (at < sizeBytes) await getRange(get, { fromByte: at, bytes: sizeBytes - at }, onBytes);
    const fault = check?.fault();
    return fault === undefined ? { type: 'done' } : { type: 'fault', fault };
  } catch (error) {
    if (error instanceof RingBroken) return { type: 'unwanted' };
    const status = error instanceof ReplyError ? error.status : undefined;
    return { type: 'cut', message: (error as Error).message, status };
  }
};

port.on('message', (message: ToReceiver) => {
  void go(message).then(said => port.postMessage(said));
});
