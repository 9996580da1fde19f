import { parentPort, workerData } from 'node:worker_threads';
import { AttemptError, messageOf } from '../errors.ts';
import { sharedBudget, type DiskBudget } from './disk-budget.ts';
import { createEntryWriter } from './entry-writer.ts';
import { extract } from './extract.ts';
import { unpackFailure } from './unpack-failure.ts';
import type { FromThread, ToThread, UnpackTask } from './unpack-protocol.ts';

const task = workerData as UnpackTask;
const port = parentPort;
if (!port) throw new Error('this is a thread of the runner');
const say = (message: FromThread, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

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

const waiting: ToThread[] = [];
let wake: (() => void) | undefined;
port.on('message', (message: ToThread) => {
  waiting.push(message);
  wake?.();
});

/** What comes, as long as nobody asks for more than was worked off: then the buffer goes back. */
async function* incoming(): AsyncGenerator<Buffer> {
  for (;;) {
    const message = waiting.shift();
    if (!message) {
      await new Promise<void>(resolve => (wake = resolve));
      continue;
    }
    if (message.type === 'end') return;
    const { buffer, length } = message;
    // Decoders hold on to what they were given: only plain tar is done with it when it asks for more.
    if (task.format === 'tar') yield Buffer.from(buffer, 0, length);
    else yield Buffer.from(new Uint8Array(buffer, 0, length));
    say({ type: 'free', buffer }, [buffer]);
  }
}

const { directory, format, outwardLinks } = task;
// Nobody else waits in this thread: calls that block are the quickest.
const writer = createEntryWriter(directory, { budget: countedBudget(), outwardLinks, atOnceBytes: Infinity });
try {
  await extract(incoming(), format, directory, writer);
  writer.finish();
  say({ type: 'done', bytes: writer.bytes() });
} catch (error) {
  const failure = unpackFailure(error);
  const cause = failure instanceof AttemptError ? failure.code : 'internal';
  say({ type: 'failed', cause, message: messageOf(failure) });
} finally {
  await writer.abandon();
  port.close();
}
