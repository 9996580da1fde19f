import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { pack } from 'tar-stream';
import { buildRequest, type RequestParts } from '../../lib/request/build-request.ts';
import { createDirectoryStore } from '../../lib/storage/directory.ts';
import { RunnerProcess } from '../helpers/runner-process.ts';

const programs = new URL('programs/', import.meta.url).pathname;

const needed = (name: string): string => {
  const value = process.env[name];
  if (value) return value;
  throw new Error(`${name} is not set: run this through npm run bench`);
};

const tarOf = async (file: string): Promise<Buffer> => {
  const archive = pack();
  archive.entry({ name: file }, await readFile(join(programs, file)));
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

/** Real queues and a real store, filled with requests as the client sends them. */
export class Load {
  readonly directory: string;
  readonly queues: string[] = [];
  readonly #s3: S3Client;
  readonly #store: RequestParts['store'];
  readonly #broker: ChannelModel;
  readonly #channel: ConfirmChannel;
  readonly #workspaces = new Map<string, string>();
  readonly #runners: RunnerProcess[] = [];

  private constructor(
    directory: string,
    s3: S3Client,
    store: RequestParts['store'],
    broker: ChannelModel,
    channel: ConfirmChannel,
  ) {
    this.directory = directory;
    this.#s3 = s3;
    this.#store = store;
    this.#broker = broker;
    this.#channel = channel;
  }

  /** @param stores `directory`: requests name a directory instead of the S3 server, for who measures nothing of it */
  static async open(stores: 's3' | 'directory' = 's3'): Promise<Load> {
    const url = new URL(needed('TEST_S3_URL'));
    const credentials = {
      accessKeyId: decodeURIComponent(url.username),
      secretAccessKey: decodeURIComponent(url.password),
    };
    const endpoint = url.origin;
    const s3 = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
    const bucket = `bench-${randomUUID()}`;
    // One of its own, as the client has it: on a file system `experiments/KEY` is no file beside `experiments/KEY/output.tar`.
    const databaseBucket = `${bucket}-database`;
    for (const Bucket of [bucket, databaseBucket]) await s3.send(new CreateBucketCommand({ Bucket }));
    const broker = await connect(needed('TEST_AMQP_URL'), { noDelay: true });
    const channel = await broker.createConfirmChannel();
    await channel.assertExchange('StudioML.topic', 'topic', { durable: true, autoDelete: true });
    const aws = { access_key: credentials.accessKeyId, secret_access_key: credentials.secretAccessKey };
    const directory = await mkdtemp(join(tmpdir(), 'studioml-bench-'));
    const store =
      stores === 's3'
        ? { endpoint, bucket, databaseBucket, credentials: { aws } }
        : { endpoint: join(directory, 'store'), bucket: 'storage', databaseBucket: 'database' };
    return new Load(directory, s3, store, broker, channel);
  }

  /** Declare a queue as the client does. */
  async queue(name = `rmq_bench_${randomUUID()}`): Promise<string> {
    await this.#channel.assertQueue(name, { durable: true });
    await this.#channel.bindQueue(name, 'StudioML.topic', `StudioML.${name}`);
    this.queues.push(name);
    return name;
  }

  /** Upload the workspace of one of the programs, once. */
  async workspace(file: string): Promise<string> {
    let key = this.#workspaces.get(file);
    if (!key) {
      key = `blobstore/${file}.tar`;
      await this.#put(key, await tarOf(file));
      this.#workspaces.set(file, key);
    }
    return key;
  }

  async #put(key: string, body: Buffer, bucket = this.#store.bucket): Promise<void> {
    const { endpoint, credentials } = this.#store;
    if (credentials) await this.#s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
    else await createDirectoryStore({ root: join(endpoint, bucket) }).put(key, body);
  }

  /** A request for one of the programs. */
  async request(
    file: string,
    more: Partial<RequestParts> = {},
  ): Promise<{ key: string; request: ReturnType<typeof buildRequest> }> {
    const timeAddedMs = Date.now();
    const key = `${String(Math.floor(timeAddedMs / 1000))}_${randomUUID()}`;
    const workspaceKey = await this.workspace(file);
    const request = buildRequest({ key, filename: file, workspaceKey, store: this.#store, timeAddedMs, ...more });
    return { key, request };
  }

  /** The message for one of the programs, its experiment in the metadata store as the client leaves it there before it sends. */
  async prepare(file: string, more: Partial<RequestParts> = {}): Promise<{ key: string; message: string }> {
    const { key, request } = await this.request(file, more);
    await this.#put(
      `experiments/${key}`,
      Buffer.from(JSON.stringify(request['experiment'])),
      this.#store.databaseBucket,
    );
    return { key, message: JSON.stringify(request) };
  }

  /** Publish a request for one of the programs. Resolves when the broker has confirmed it; returns the experiment's key. */
  async publish(queue: string, file: string, more: Partial<RequestParts> = {}): Promise<string> {
    const { key, message } = await this.prepare(file, more);
    await this.send(queue, message);
    return key;
  }

  /** Publish a message. Resolves when the broker has confirmed it. */
  async send(queue: string, message: string): Promise<void> {
    const body = Buffer.from(message);
    await new Promise<void>((resolve, reject) => {
      this.#channel.publish('StudioML.topic', `StudioML.${queue}`, body, {}, error => {
        if (error) reject(error as Error);
        else resolve();
      });
    });
  }

  /** Put a request for one of the programs into a directory queue; returns the experiment's key. */
  async put(queue: string, file: string, more: Partial<RequestParts> = {}): Promise<string> {
    const { key, request } = await this.request(file, more);
    const draft = join(this.directory, key);
    await writeFile(draft, JSON.stringify(request));
    await rename(draft, join(queue, key));
    return key;
  }

  get amqpUrl(): string {
    return needed('TEST_AMQP_URL');
  }

  get managementUrl(): string {
    return needed('TEST_AMQP_MGT_URL');
  }

  /** Start a runner on these queues (or on `queues` of them) with so many slots, ready to take work. */
  async runner(
    slots: number,
    env: Readonly<Record<string, string>> = {},
    queues = this.queues.length,
  ): Promise<RunnerProcess> {
    const runner = new RunnerProcess({
      AMQP_URL: this.amqpUrl,
      AMQP_MGT_URL: this.managementUrl,
      CLEAR_TEXT_MESSAGES: 'true',
      QUEUE_MATCH: '^rmq_bench_',
      MAX_CORES: String(slots),
      WORKING_DIR: this.directory,
      FILE_ROOTS: this.directory,
      ...env,
    });
    this.#runners.push(runner);
    await runner.next(event => event.event === 'queue-found', queues, 120_000);
    return runner;
  }

  async close(): Promise<void> {
    for (const runner of this.#runners) await runner.stop();
    for (const queue of this.queues) await this.#channel.deleteQueue(queue);
    await this.#broker.close();
    this.#s3.destroy();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** The p-th percentile, 0 to 100, of numbers. */
export const percentile = (values: readonly number[], p: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil((p / 100) * sorted.length) - 1)] ?? NaN;
};

/** Whether an event ends an experiment for good. */
export const isSettled = (event: { readonly event: string; readonly [field: string]: unknown }): boolean =>
  event.event === 'settled' && event['settlement'] !== 'release';
