import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateQueueCommand, DeleteQueueCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { connect } from 'amqplib';
import { RunnerProcess } from '../helpers/runner-process.ts';
import { sqsClient } from '../helpers/sqs.ts';
import type { Bench, Row } from './bench.ts';
import { percentile } from './load.ts';

const times = 200;
const warmUp = 20;
/** Between two messages, so that the runner is idle at each. */
const restMs = 30;

/** A request that is taken, parsed, and over before it starts: what is measured ends where it is parsed. */
const request = (key: string) =>
  JSON.stringify({ experiment: { key, time_added: 1, artifacts: {} }, config: { experimentLifetime: '1s' } });

/** Times from `send` to `heard`, ms, one message after the other. */
const measure = async (send: (key: string) => Promise<unknown>, heard: (key: string) => Promise<unknown>) => {
  const took: number[] = [];
  for (let i = -warmUp; i < times; i++) {
    const key = randomUUID();
    const hearing = heard(key);
    const sentAt = performance.now();
    await send(key);
    await hearing;
    if (i >= 0) took.push(performance.now() - sentAt);
    await sleep(restMs);
  }
  return took;
};

const rowsOf = (
  kind: string,
  bareName: string,
  most: number,
  ours: readonly number[],
  bare: readonly number[],
): Row[] =>
  [50, 99].map(p => {
    const [mine, theirs] = [percentile(ours, p), percentile(bare, p)];
    return {
      name: `${kind} pick-up p${String(p)} / ${bareName}`,
      measured: mine / theirs,
      unit: '',
      reach: `<= ${String(most)}`,
      ok: mine / theirs <= most,
      detail: `ours ${mine.toFixed(2)} ms, bare ${theirs.toFixed(2)} ms`,
    };
  });

/** The runner's `expired` event of an experiment: its request is parsed. */
const parsedBy = (runner: RunnerProcess) => (key: string) =>
  runner.next(event => event.event === 'expired' && event.experiment === key, 1, 30_000);

/** The same of a program that prints keys, in a process of its own like the runner: what is between processes counts for both. */
const measureBare = async (program: string, args: readonly string[], send: (key: string) => Promise<unknown>) => {
  const file = new URL(`programs/${program}`, import.meta.url).pathname;
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = new EventEmitter();
  createInterface({ input: child.stdout }).on('line', line => lines.emit(line));
  try {
    await once(lines, 'ready');
    return await measure(send, key => once(lines, key));
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
};

const startRunner = async (env: Readonly<Record<string, string>>): Promise<RunnerProcess> => {
  const runner = new RunnerProcess({ CLEAR_TEXT_MESSAGES: 'true', ...env });
  await runner.next(event => event.event === 'queue-found', 1, 30_000);
  await sleep(1000);
  return runner;
};

const needed = (name: string): string => {
  const value = process.env[name];
  if (value) return value;
  throw new Error(`${name} is not set: run this through npm run bench`);
};

const rabbitmq = async (directory: string): Promise<Row[]> => {
  const connection = await connect(needed('TEST_AMQP_URL'), { noDelay: true });
  const channel = await connection.createChannel();
  await channel.assertExchange('StudioML.topic', 'topic', { durable: true, autoDelete: true });
  const queue = `rmq_bench_${randomUUID()}`;
  const declare = async () => {
    await channel.assertQueue(queue, { durable: true });
    await channel.bindQueue(queue, 'StudioML.topic', `StudioML.${queue}`);
  };
  const send = (key: string) => {
    channel.publish('StudioML.topic', `StudioML.${queue}`, Buffer.from(request(key)));
    return Promise.resolve();
  };
  let runner: RunnerProcess | undefined;
  try {
    await declare();
    const bare = await measureBare('bare-consumer.ts', [needed('TEST_AMQP_URL'), queue], send);
    runner = await startRunner({
      AMQP_URL: needed('TEST_AMQP_URL'),
      AMQP_MGT_URL: needed('TEST_AMQP_MGT_URL'),
      QUEUE_MATCH: `^${queue}$`,
      WORKING_DIR: directory,
    });
    return rowsOf('RabbitMQ', 'bare consumer', 3, await measure(send, parsedBy(runner)), bare);
  } finally {
    await runner?.stop();
    await channel.deleteQueue(queue);
    await connection.close();
  }
};

const sqs = async (directory: string): Promise<Row[]> => {
  const endpoint = needed('TEST_SQS_URL');
  const client = sqsClient(endpoint);
  // Each has a queue of its own: the long poll that the bare one leaves behind would swallow a message.
  const names = ['bare', 'ours'].map(whose => `sqs_bench_${whose}_${randomUUID()}`);
  const [bareUrl = '', url = ''] = await Promise.all(
    names.map(async QueueName => (await client.send(new CreateQueueCommand({ QueueName }))).QueueUrl ?? ''),
  );
  const sendTo = (QueueUrl: string) => (key: string) =>
    client.send(new SendMessageCommand({ QueueUrl, MessageBody: request(key) }));
  let runner: RunnerProcess | undefined;
  try {
    const bare = await measureBare('bare-poll.ts', [endpoint, bareUrl], sendTo(bareUrl));
    runner = await startRunner({
      AWS_ENDPOINT_URL_SQS: endpoint,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_DEFAULT_REGION: 'us-east-1',
      QUEUE_MATCH: `^${names[1] ?? ''}$`,
      WORKING_DIR: directory,
    });
    return rowsOf('SQS', 'bare long poll', 1.5, await measure(sendTo(url), parsedBy(runner)), bare);
  } finally {
    await runner?.stop();
    for (const QueueUrl of [bareUrl, url]) await client.send(new DeleteQueueCommand({ QueueUrl }));
    client.destroy();
  }
};

const directoryQueue = async (directory: string): Promise<Row[]> => {
  const root = join(directory, 'queues');
  const queue = join(root, 'local_bench');
  await mkdir(queue, { recursive: true });
  const send = async (key: string) => {
    const draft = join(directory, key);
    await writeFile(draft, request(key));
    await rename(draft, join(queue, key));
  };
  const bare = await measureBare('bare-watch.ts', [queue], send);
  const runner = await startRunner({ QUEUE_ROOT: root, QUEUE_MATCH: '^local_bench$', WORKING_DIR: directory });
  try {
    return rowsOf('directory', 'bare fs.watch', 3, await measure(send, parsedBy(runner)), bare);
  } finally {
    await runner.stop();
  }
};

/** Publish to request parsed, on an idle runner, over what hears of the message with nothing around it. */
export const bench: Bench = {
  name: 'pick-up',
  async run() {
    const directory = await mkdtemp(join(tmpdir(), 'studioml-bench-'));
    try {
      return [...(await rabbitmq(directory)), ...(await sqs(directory)), ...(await directoryQueue(directory))];
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
};
