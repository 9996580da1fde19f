import { parentPort, workerData } from 'node:worker_threads';
import { RingBroken, RingWriter } from '../../flow/byte-ring.ts';
import { pageBytes } from '../../flow/web-assembly.ts';
import { checkFor } from '../checks.ts';
import { crc64In } from '../crc64.ts';
import { getRange, type Sink } from './get-range.ts';
import type { FromReceiver, ReceiveTask, ToReceiver } from './receive-protocol.ts';
import { ReplyError } from './reply-head.ts';

const { ring, sizeBytes, digest, received } = workerData as ReceiveTask;
const port = parentPort;
if (!port) throw new Error('this is a thread of the runner');

const writer = new RingWriter(ring);
// In the ring's own memory: nothing is copied for it.
const crc64Of = () => crc64In(ring.memory, ring.memory.buffer.byteLength - pageBytes);
const check = digest && checkFor(digest, crc64Of);
const count = new BigInt64Array(received);
let at = 0;

const sink: Sink = {
  room: () => writer.room(),
  put: piece => {
    at += piece.length;
    Atomics.store(count, 0, BigInt(at));
    // First: who reads it has work meanwhile, and leaves it as it is.
    writer.put(piece.length);
    check?.update(piece);
  },
  roomAgain: () => writer.roomAgain(),
};

const go = async ({ get }: ToReceiver): Promise<FromReceiver> => {
  try {
    if (at < sizeBytes) await getRange(get, { fromByte: at, bytes: sizeBytes - at }, sink);
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
