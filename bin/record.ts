import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readArguments, takesNext } from '../lib/config/arguments.ts';
import type { Options } from '../lib/config/options.ts';
import { messageOf, OptionsError } from '../lib/errors.ts';
import { isMessage } from '../lib/queues/directory/paths.ts';
import { isNotFound } from '../lib/queues/rabbitmq/channels.ts';
import { formatRecorded, type RecordedMessage } from '../lib/request/recording.ts';
import { directoryFault } from './checks/directory-fault.ts';
import { configured, printFaults } from './configured.ts';
import { unreachable } from './unreachable.ts';
import { withCheck } from './with-check.ts';

const readRecordArguments = (argv: readonly string[]): { queue: string; rest: string[] } => {
  const rest: string[] = [];
  const faults: string[] = [];
  let queue = '';
  const words = [...argv];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '--queue') queue = words.shift() ?? '';
    else if (word.startsWith('--queue=')) queue = word.slice('--queue='.length);
    else if (word.startsWith('-')) {
      rest.push(word);
      if (takesNext(word, words[0])) rest.push(words.shift() ?? '');
    } else faults.push(`record: found "${word}", expected options only`);
  }
  faults.push(...readArguments(rest).faults);
  if (queue === '') faults.push('--queue: expected the name of a queue');
  if (faults.length > 0) throw new OptionsError(faults);
  return { queue, rest };
};

const missing = (queue: string) => new Error(`there is no such queue [queue=${queue}]`);

/** Each message is got and held, then all go back: a browser of the queue has no other way. Their order stays. */
async function* onRabbitmq(url: string, queue: string): AsyncGenerator<RecordedMessage> {
  const { connect } = await import('amqplib');
  const connection = await connect(url, { noDelay: true, timeout: 10_000 }).catch((error: unknown) => {
    throw new Error(withCheck(messageOf(unreachable(url, error))), { cause: error });
  });
  connection.on('error', () => undefined);
  try {
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    const { messageCount } = await channel.checkQueue(queue).catch((error: unknown) => {
      throw isNotFound(error) ? missing(queue) : error;
    });
    for (let left = messageCount; left > 0; left--) {
      const message = await channel.get(queue);
      if (message === false) break;
      const { headers, contentType } = message.properties as {
        readonly headers?: Readonly<Record<string, unknown>>;
        readonly contentType?: unknown;
      };
      yield {
        atMs: Date.now(),
        queue,
        body: message.content,
        ...(headers && Object.keys(headers).length > 0 ? { headers } : {}),
        ...(typeof contentType === 'string' ? { contentType } : {}),
      };
    }
    channel.nackAll(true);
    await channel.close();
  } finally {
    await connection.close();
  }
}

async function* inDirectory(root: string, queue: string): AsyncGenerator<RecordedMessage> {
  const directory = join(root, queue);
  const names = await readdir(directory).catch((error: unknown) => {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw isMissing ? missing(queue) : new Error(directoryFault(directory, error));
  });
  const found = await Promise.all(
    names.filter(isMessage).map(async name => {
      const path = join(directory, name);
      return { path, mtimeMs: (await stat(path)).mtimeMs };
    }),
  );
  for (const { path, mtimeMs } of found.toSorted((a, b) => a.mtimeMs - b.mtimeMs))
    yield { atMs: mtimeMs, queue, body: await readFile(path) };
}

const messagesOf = (options: Options, queue: string): AsyncGenerator<RecordedMessage> => {
  const [url] = options.amqpUrls;
  if (options.queueRoot !== undefined && (url === undefined || !queue.startsWith('rmq')))
    return inDirectory(options.queueRoot, queue);
  if (url !== undefined) return onRabbitmq(url, queue);
  throw new OptionsError(['record: expected --amqp-url (AMQP_URL) or --queue-root (QUEUE_ROOT)']);
};

/**
 * Copy the messages on a queue to stdout as a recording.
 * Exit code: 0 all were copied, 1 the queue could not be read, 2 usage.
 */
export const record = async (argv: readonly string[]): Promise<number> => {
  try {
    const { queue, rest } = readRecordArguments(argv);
    const options = configured(rest);
    if (options === undefined) return 2;
    for await (const message of messagesOf(options, queue)) process.stdout.write(formatRecorded(message));
    return 0;
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    printFaults(error);
    return 2;
  }
};
