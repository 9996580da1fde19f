import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { connect, type ConfirmChannel } from 'amqplib';
import { extract } from 'tar-stream';
import type { Test } from 'tap';
import { buildRequest, type RequestStore } from '../../lib/request/build-request.ts';
import { createDirectoryStore } from '../../lib/storage/directory.ts';
import type { ObjectStore } from '../../lib/storage/object-store.ts';
import { eventually } from './eventually.ts';
import { needService } from './services.ts';
import { RunnerProcess, type EventLine } from './runner-process.ts';
import { needS3 } from './s3.ts';
import { bodyOf, tarOf } from './tars.ts';

export interface OutagePlace {
  readonly url: string;
  readonly managementUrl: string;
}

/** Where a scene's artifacts and marks are: as requests name it, and as the test looks at it. */
export interface OutageStore {
  readonly named: RequestStore;
  readonly artifacts: ObjectStore;
  readonly database: ObjectStore;
}

const directoryStore = (root: string): OutageStore => ({
  named: { endpoint: root, bucket: 'storage', databaseBucket: 'db' },
  artifacts: createDirectoryStore({ root: join(root, 'storage') }),
  database: createDirectoryStore({ root: join(root, 'db') }),
});

/** A bucket on the real S3 server; undefined where there is none. */
export const s3Outages = async (t: Test): Promise<OutageStore | undefined> => {
  const place = await needS3(t);
  if (!place) return undefined;
  const { accessKey: access_key, secretAccessKey: secret_access_key } = place.credentials;
  const { endpoint, bucket } = place;
  const credentials = { aws: { access_key, secret_access_key } };
  const objects = place.open();
  return {
    named: { endpoint, bucket, databaseBucket: bucket, credentials },
    artifacts: objects,
    database: objects,
  };
};

const exchange = 'StudioML.topic';

/** Notes that it was started, runs until it is told to end, and says who it was. */
const programOf = (runs: string, end: string): string =>
  [
    'import os, time',
    `with open(${JSON.stringify(runs)}, 'a') as runs:`,
    "    runs.write('%d\\n' % os.getpid())",
    `while not os.path.exists(${JSON.stringify(end)}):`,
    '    time.sleep(0.05)',
    "print('ran as %d' % os.getpid())",
    '',
  ].join('\n');

/** A queue of RabbitMQ, a store, and real runners: for what goes wrong while an experiment runs. */
export class OutageScene {
  readonly queue = `rmq_outage_${randomUUID()}`;
  readonly #t: Test;
  readonly #place: OutagePlace;
  readonly #root: string;
  readonly #durable: boolean;
  readonly #store: OutageStore;

  constructor(t: Test, place: OutagePlace, durable = true, store?: OutageStore) {
    this.#t = t;
    this.#place = place;
    this.#durable = durable;
    this.#root = t.testdir({ work: {}, store: { storage: {}, db: {} } });
    this.#store = store ?? directoryStore(join(this.#root, 'store'));
  }

  get #runs(): string {
    return join(this.#root, 'runs');
  }

  get #end(): string {
    return join(this.#root, 'end');
  }

  /** Ask the broker something, on a connection that is closed again. */
  async broker<T>(work: (channel: ConfirmChannel) => Promise<T>): Promise<T> {
    const connection = await connect(this.#place.url, { noDelay: true });
    connection.on('error', () => undefined);
    try {
      const channel = await connection.createConfirmChannel();
      channel.on('error', () => undefined);
      return await work(channel);
    } finally {
      await connection.close().catch(() => undefined);
    }
  }

  /** As the client does it. */
  declare(): Promise<void> {
    this.#t.teardown(() => this.broker(channel => channel.deleteQueue(this.queue)).catch(() => undefined));
    return this.broker(async channel => {
      await channel.assertExchange(exchange, 'topic', { durable: true, autoDelete: true });
      await channel.assertQueue(this.queue, { durable: this.#durable });
      await channel.bindQueue(this.queue, exchange, `StudioML.${this.queue}`);
    });
  }

  async submit(): Promise<string> {
    const { key, message } = await this.request();
    await this.publish(message);
    return key;
  }

  /** A request whose workspace is stored. */
  async request(): Promise<{ readonly key: string; readonly message: string }> {
    const key = randomUUID();
    const workspaceKey = `workspaces/${key}.tar`;
    const packed = await tarOf({ name: 'main.py', content: programOf(this.#runs, this.#end) });
    await this.#store.artifacts.put(workspaceKey, packed);
    const request = buildRequest({
      key,
      filename: 'main.py',
      workspaceKey,
      store: this.#store.named,
      timeAddedMs: Date.now(),
    });
    return { key, message: JSON.stringify(request) };
  }

  publish(body: string): Promise<void> {
    return this.broker(async channel => {
      channel.publish(exchange, `StudioML.${this.queue}`, Buffer.from(body), { persistent: true });
      await channel.waitForConfirms();
    });
  }

  /** A runner with a lease of 10 s that serves the queue. `url`: its way to the broker. */
  async runner(env: Readonly<Record<string, string>> = {}): Promise<RunnerProcess> {
    const runner = new RunnerProcess({
      AMQP_URL: this.#place.url,
      AMQP_MGT_URL: this.#place.managementUrl,
      LEASE: '10s',
      QUEUE_MATCH: `^${this.queue}$`,
      CLEAR_TEXT_MESSAGES: 'true',
      FILE_ROOTS: join(this.#root, 'store'),
      WORKING_DIR: join(this.#root, 'work'),
      TERMINATION_GRACE: '1s',
      PROM_ADDRESS: '127.0.0.1:0',
      ...env,
    });
    this.#t.teardown(async () => {
      runner.signal('SIGCONT');
      await runner.stop();
    });
    await runner
      .next(({ event }) => event === 'queue-found')
      .catch((error: unknown) => {
        for (const event of runner.events) this.#t.comment(JSON.stringify(event));
        this.#t.comment(runner.errors);
        throw error;
      });
    return runner;
  }

  /** Process ids of the experiments that were started, in their order. */
  runs(): number[] {
    if (!existsSync(this.#runs)) return [];
    return [...readFileSync(this.#runs, 'utf8').matchAll(/^\d+(?=\n)/gm)].map(Number);
  }

  async running(count = 1, timeoutMs = 60_000): Promise<readonly number[]> {
    return eventually(
      () => {
        const runs = this.runs();
        if (runs.length < count) throw new Error(`${String(runs.length)} of ${String(count)} were started`);
        return runs;
      },
      { timeoutMs },
    );
  }

  /** Let every experiment end. */
  letEnd(): void {
    writeFileSync(this.#end, '');
  }

  /** What the stored output says. */
  async output(key: string): Promise<string> {
    const { body } = await this.#store.artifacts.get(`experiments/${key}/output.tar`);
    for await (const entry of bodyOf(await buffer(body), 64 * 1024).pipe(extract())) {
      if (entry.header.name === 'output') return (await buffer(entry)).toString();
    }
    throw new Error('no output is stored');
  }

  /** The mark in the metadata store. */
  async fence(key: string): Promise<unknown> {
    const { body } = await this.#store.database.get(`experiments/${key}.attempt`);
    return JSON.parse((await buffer(body)).toString());
  }

  async #queues(): Promise<readonly { readonly name: string; readonly messages?: number }[]> {
    const url = new URL('/api/queues/%2F?columns=name,messages', this.#place.managementUrl);
    const login = Buffer.from(`${url.username || 'guest'}:${url.password || 'guest'}`).toString('base64');
    url.username = url.password = '';
    const answer = await fetch(url, { headers: { authorization: `Basic ${login}` } });
    return (await answer.json()) as { name: string; messages?: number }[];
  }

  /** Messages that are left anywhere: in the queue, in leases, among dead letters. The node is this scene's own. */
  async left(): Promise<Readonly<Record<string, number>>> {
    const queues = await this.#queues();
    return Object.fromEntries(queues.flatMap(({ name, messages = 0 }) => (messages > 0 ? [[name, messages]] : [])));
  }

  /** Names of the lease queues of a runner. */
  async leaseQueuesOf(pid: number): Promise<string[]> {
    const queues = await this.#queues();
    const own = new RegExp(`^studioml\\.lease\\..*-${String(pid)}-\\w+\\.(held|waiting)$`);
    return queues.map(({ name }) => name).filter(name => own.test(name));
  }
}

/** How a runner settled the message of an experiment, so far. */
export const settlementsOf = (runner: RunnerProcess, key: string): EventLine[] =>
  runner.events.filter(({ event, experiment }) => event === 'settled' && experiment === key);

/** The first settlement of an experiment by this runner. */
export const settledBy = (runner: RunnerProcess, key: string, timeoutMs = 60_000): Promise<EventLine> =>
  eventually(
    () => {
      const [first] = settlementsOf(runner, key);
      if (!first) throw new Error('it is not settled yet');
      return first;
    },
    { timeoutMs },
  );

/** A scene on the broker of all tests; undefined where there is none. */
export const openOutageScene = async (t: Test, store?: OutageStore): Promise<OutageScene | undefined> => {
  const url = needService(t, 'TEST_AMQP_URL');
  const managementUrl = url && needService(t, 'TEST_AMQP_MGT_URL');
  if (!url || !managementUrl) return undefined;
  const scene = new OutageScene(t, { url, managementUrl }, true, store);
  await scene.declare();
  return scene;
};
