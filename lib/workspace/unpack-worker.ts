import { parentPort, workerData } from 'node:worker_threads';
import { AttemptError, messageOf } from '../errors.ts';
import { breakRing, RingBroken, RingReader } from '../flow/byte-ring.ts';
import { formatOf } from './archive-formats.ts';
import { sharedBudget, type DiskBudget } from './disk-budget.ts';
import { createEntryWriter, type EntryWriter } from './entry-writer.ts';
import { extract } from './extract.ts';
import { fileEntryOf } from './file-entry.ts';
import { unpackFailure } from './unpack-failure.ts';
import type { FromThread, UnpackTask } from './unpack-protocol.ts';

const task = workerData as UnpackTask;
const port = parentPort;
if (!port) throw new Error('this is a thread of the runner');
const { directory, name, outwardLinks, ring } = task;

/** The attempt's budget, with what is spent here counted too. */
const countedBudget = (): DiskBudget => {
  const budget = sharedBudget(task.budget);
  const spent = new BigInt64Array(task.spent);
  return {
    ...budget,
    spend: bytes => {
      budget.spend(bytes);
      Atomics.add(spent, 0, BigInt(bytes));
    },
  };
};

/** What says what an archive is stands in its first bytes. */
const headBytes = 512;

const unpack = async (reader: RingReader, writer: EntryWriter): Promise<void> => {
  const format = formatOf(reader.peek(headBytes), name);
  // Nobody else waits in this thread: calls that block are the quickest. Decoders have threads of their own, and hold on to
  // what they were given.
  await extract(format === 'tar' ? reader.pieces() : reader.copies(), format, directory, writer);
};

const store = (reader: RingReader, writer: EntryWriter): void => {
  const file = writer.begin(fileEntryOf(name, Number.POSITIVE_INFINITY));
  for (const piece of reader.pieces()) file?.write(piece);
  file?.close();
};

const work = async (): Promise<FromThread> => {
  const writer = createEntryWriter(directory, { budget: countedBudget(), outwardLinks, atOnceBytes: Infinity });
  try {
    const reader = new RingReader(ring);
    if (task.as === 'file') store(reader, writer);
    else await unpack(reader, writer);
    // What follows the end of an archive is compared with its digest too.
    for (const _ of reader.pieces());
    writer.finish();
    return { type: 'done', bytes: writer.bytes() };
  } catch (error) {
    breakRing(ring);
    if (error instanceof RingBroken) return { type: 'cut' };
    const failure = unpackFailure(error);
    const cause = failure instanceof AttemptError ? failure.code : 'internal';
    return { type: 'failed', cause, message: messageOf(failure) };
  } finally {
    await writer.abandon();
  }
};

port.postMessage(await work());
