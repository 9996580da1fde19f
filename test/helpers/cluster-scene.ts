import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'amqplib';
import type { Test } from 'tap';
import { deadQueueOf } from '../../lib/queues/rabbitmq/delivery.ts';
import { chart } from './chart.ts';
import { listenToPods, type PodListener } from './pod-listener.ts';
import { startCluster } from './private-cluster.ts';
import { runCommand } from './run-command.ts';
import { needS3, type TestBucket } from './s3.ts';
import { needService } from './services.ts';
import { startTcpProxy } from './tcp-proxy.ts';
import type { Kubectl } from './kubectl.ts';

/** A cluster with a broker, a store and keys, and the values with which the chart runs there. */
export interface ClusterScene {
  readonly chart: string;
  readonly values: Readonly<Record<string, unknown>>;
  readonly listener: PodListener;
  readonly bucket: TestBucket;
  /** In the namespace of the runners. */
  readonly kubectl: Kubectl;
  readonly helm: Kubectl;
  readonly killPod: (uid: string) => void;
  /** Submit, sealed and signed, an experiment that asks the listener for `KEY/ATTEMPT`, waits for the answer, and ends well. */
  readonly publish: (key: string) => Promise<void>;
  /** Messages that wait on the queue. */
  readonly waiting: () => Promise<number>;
}

const namespace = 'studioml';

const program = `
import os, sys, urllib.request
attempt = os.environ.get('STUDIOML_ATTEMPT', '1')
print('attempt', attempt, 'in', os.uname().nodename, flush=True)
urllib.request.urlopen(f'{sys.argv[1]}/{sys.argv[2]}/{attempt}').read()
`;

const succeed = async (args: readonly string[], env?: Readonly<Record<string, string>>): Promise<void> => {
  const { code, stderr } = await runCommand(args, env);
  if (code !== 0) throw new Error(`runner ${args[0] ?? ''}: ${stderr}`);
};

export const openCluster = async (t: Test): Promise<ClusterScene | undefined> => {
  const amqpUrl = needService(t, 'TEST_AMQP_URL');
  const managementUrl = amqpUrl && needService(t, 'TEST_AMQP_MGT_URL');
  const s3Url = managementUrl && needService(t, 'TEST_S3_URL');
  const bucket = s3Url === undefined ? undefined : await needS3(t);
  if (!amqpUrl || !managementUrl || !s3Url || !bucket) return undefined;
  const cluster = await startCluster(t);
  if (cluster === undefined) return undefined;
  const { address, killPod } = cluster;
  const kubectl: Kubectl = (args, input) => cluster.kubectl([`--namespace=${namespace}`, ...args], input);
  const helm: Kubectl = (args, input) => cluster.helm([`--namespace=${namespace}`, ...args], input);
  const listener = await listenToPods(t, address);
  /** The same service as pods reach it. */
  const fromPods = async (url: string): Promise<URL> => {
    const inside = new URL(url);
    const proxy = await startTcpProxy({ host: inside.hostname, port: Number(inside.port) }, address);
    t.teardown(() => proxy.close());
    inside.host = `${address}:${String(proxy.port)}`;
    return inside;
  };

  const queue = `rmq_cluster_${randomUUID().slice(0, 8)}`;
  const connection = await connect(amqpUrl, { noDelay: true });
  const channel = await connection.createChannel();
  t.teardown(async () => {
    for (const name of [queue, deadQueueOf(queue)]) await channel.deleteQueue(name);
    await connection.close();
  });
  await channel.assertQueue(queue, { durable: true });

  const root = t.testdir({ certs: {} });
  const certs = join(root, 'certs');
  await succeed(['keys', 'cluster', '--out', certs]);
  await succeed(['keys', 'sender', '--queue-prefix', queue, '--out', certs]);
  await cluster.kubectl(['create', 'namespace', namespace]);
  const secret = (name: string, ...from: string[]) => kubectl(['create', 'secret', 'generic', name, ...from]);
  const [broker, management] = [await fromPods(amqpUrl), await fromPods(managementUrl)];
  await secret('rabbitmq', `--from-literal=AMQP_URL=${broker.href}`, `--from-literal=AMQP_MGT_URL=${management.href}`);
  await secret('encryption', `--from-file=${certs}/message/encryption`);
  await secret('passphrase', `--from-file=${certs}/message/passphrase`);
  await secret('signing', `--from-file=${certs}/queues/signing`);
  const store = await fromPods(s3Url);
  const [, repository = '', tag = ''] = /^(.*):(.*)$/.exec(cluster.image) ?? [];
  mkdirSync(join(root, 'workspace'));
  writeFileSync(join(root, 'workspace/main.py'), program);
  return {
    ...{ chart, listener, bucket, kubectl, helm, killPod },
    values: {
      image: { repository, tag },
      options: { QUEUE_MATCH: `^${queue}$`, LEASE: '20s', EVENTS: `-,${listener.eventsUrl}` },
      rabbitmq: { secret: 'rabbitmq' },
      keys: { encryption: 'encryption', passphrase: 'passphrase', signing: 'signing' },
      states: { enabled: true },
      resources: { cpu: 1, memory: '1Gi', scratchGiB: 2 },
      stop: { terminationGraceSeconds: 5, stopUploadSeconds: 30 },
    },
    publish: key =>
      succeed(
        [
          ...['submit', join(root, 'workspace'), '--queue', queue, '--key', key, '--filename', 'main.py'],
          ...[
            '--seal',
            `${certs}/message/encryption/ssh-publickey`,
            '--sign',
            `${certs}/hand-over/${queue}.sender.pem`,
          ],
          ...['--cpus', '1', '--ram', '100mb', '--hdd', '100mb', '--', listener.gateUrl, key],
        ],
        { AMQP_URL: amqpUrl, SUBMIT_STORE: `${store.href.replace(/\/$/, '')}/${bucket.bucket}` },
      ),
    waiting: async () => (await channel.checkQueue(queue)).messageCount,
  };
};
