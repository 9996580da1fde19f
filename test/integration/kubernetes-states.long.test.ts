/** States that a ConfigMap asks for, on a real API server with its own permissions. */
import { strict as assert } from 'node:assert';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { ClusterError, get } from '../../lib/cluster/api.ts';
import { watchConfigMap } from '../../lib/cluster/watch-config-map.ts';
import { createEventBus } from '../../lib/telemetry/events.ts';
import { followStates, type State } from '../../pipelines/states.ts';
import { eventually } from '../helpers/eventually.ts';
import { startKubernetes } from '../helpers/private-kubernetes.ts';
import { startTcpProxy } from '../helpers/tcp-proxy.ts';

interface Kubeconfig {
  readonly clusters: readonly { readonly cluster: { server: string; 'certificate-authority-data': string } }[];
}

/** Where the API of a kubeconfig is, and who certified it. */
const addressOf = (kubeconfig: string): { readonly url: string; readonly authority: Buffer } => {
  const { clusters } = JSON.parse(readFileSync(kubeconfig, 'utf8')) as Kubeconfig;
  const cluster = clusters[0]?.cluster;
  assert.ok(cluster);
  return { url: cluster.server, authority: Buffer.from(cluster['certificate-authority-data'], 'base64') };
};

t.test('a service account hears of a state once it may, until its map is gone', async t => {
  const kubernetes = await startKubernetes(t);
  if (!kubernetes) return;
  const { kubectl } = kubernetes;
  await kubectl(['create', 'namespace', 'ml']);
  await kubectl(['create', 'serviceaccount', 'runner', '--namespace=ml']);
  const credentials = t.testdir({});
  writeFileSync(join(credentials, 'token'), await kubectl(['create', 'token', 'runner', '--namespace=ml']));
  const { url, authority } = addressOf(kubernetes.kubeconfig);
  writeFileSync(join(credentials, 'ca.crt'), authority);

  const bus = createEventBus();
  const told: string[] = [];
  bus.events$.subscribe(({ event, fields }) => told.push(`${event} ${String(fields['map'] ?? fields['state'])}`));
  const heard: State[] = [];
  const states = followStates({
    api: { url, credentials },
    namespace: 'ml',
    names: ['studioml-go-runner', 'host-1'],
    emit: bus.emit,
    onState: state => heard.push(state),
    firstRetryMs: 200,
  });
  t.teardown(states.close);
  await eventually(() => assert.ok(told.includes('state-unavailable ml/studioml-go-runner')), { timeoutMs: 30_000 });

  const rules = '--resource=configmaps';
  await kubectl(['create', 'role', 'states', '--verb=get,list,watch', rules, '--namespace=ml']);
  await kubectl(['create', 'rolebinding', 'states', '--role=states', '--serviceaccount=ml:runner', '--namespace=ml']);
  const map = (name: string, state: string) => `--from-literal=STATE=${state} ${name}`.split(' ');
  await kubectl(['create', 'configmap', '--namespace=ml', ...map('studioml-go-runner', 'DrainAndSuspend')]);
  await eventually(() => assert.deepEqual(heard, ['Running', 'DrainAndSuspend']), { timeoutMs: 60_000 });
  t.ok(told.includes('state-available ml/studioml-go-runner'));

  // A watch may say nothing for longer than a connection may take.
  const before = told.length;
  await delay(12_000);
  t.strictSame(told.slice(before), []);
  await kubectl(['create', 'configmap', '--namespace=ml', ...map('host-1', 'Running')]);
  await eventually(() => assert.deepEqual(heard.slice(2), ['Running']), { timeoutMs: 60_000 });
  await kubectl(['delete', 'configmap', 'host-1', '--namespace=ml']);
  await eventually(() => assert.deepEqual(heard.slice(3), ['DrainAndSuspend']), { timeoutMs: 60_000 });
  await kubectl(['patch', 'configmap', 'studioml-go-runner', '--namespace=ml', '--patch={"data":{"STATE":"Running"}}']);
  await eventually(() => assert.deepEqual(heard.slice(4), ['Running']), { timeoutMs: 60_000 });
});

t.test('a version that the API has forgotten is heard of anew', async t => {
  // Without its cache a watch is one of etcd, and what etcd has compacted is gone: 410.
  const kubernetes = await startKubernetes(t, ['--watch-cache=false', '--etcd-compaction-interval=1s']);
  if (!kubernetes) return;
  const { kubectl, kubeconfig } = kubernetes;
  const { url, authority } = addressOf(kubeconfig);
  const { hostname, port } = new URL(url);
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
  t.teardown(() => proxy.close());
  const credentials = t.testdir({ 'ca.crt': authority });
  writeFileSync(join(credentials, 'token'), readFileSync(join(dirname(kubeconfig), 'token')));
  await kubectl(['create', 'configmap', 'runners', '--from-literal=STATE=Running']);
  const heard: unknown[] = [];
  const troubles: Error[] = [];
  const stop = new AbortController();
  let well = 0;
  const watching = watchConfigMap({
    api: { url: `https://127.0.0.1:${String(proxy.port)}`, credentials },
    namespace: 'default',
    name: 'runners',
    onMap: data => heard.push(data?.['STATE']),
    onTrouble: error => troubles.push(error),
    onWell: () => (well += 1),
    signal: stop.signal,
    firstRetryMs: 200,
  });
  t.teardown(() => stop.abort());
  await eventually(() => assert.deepEqual(heard, ['Running']), { timeoutMs: 60_000 });
  // It is followed, not only listed.
  const patch = (state: string) => kubectl(['patch', 'configmap', 'runners', `--patch={"data":{"STATE":"${state}"}}`]);
  await patch('DrainAndSuspend');
  await eventually(() => assert.deepEqual(heard, ['Running', 'DrainAndSuspend']), { timeoutMs: 60_000 });

  proxy.refuse();
  const list = await kubectl(['get', '--raw=/api/v1/namespaces/default/configmaps']);
  const { metadata } = JSON.parse(list) as { metadata: { resourceVersion: string } };
  await patch('Abort');
  const { signal } = stop;
  const path = `/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1&resourceVersion=${metadata.resourceVersion}`;
  await eventually(
    async () => {
      const said = await text(await get({ url, credentials }, path, { signal, idleMs: 10_000 }));
      assert.match(said, /"type":"ERROR".*"code":410/);
    },
    { timeoutMs: 60_000, everyMs: 500 },
  );
  proxy.accept();
  await eventually(() => assert.deepEqual(heard, ['Running', 'DrainAndSuspend', 'Abort']), { timeoutMs: 120_000 });
  t.ok(well >= 1);
  t.strictSame(
    troubles.filter(error => error instanceof ClusterError),
    [],
    'no answer of the API was an error but the version that is gone',
  );
  await patch('Running');
  await eventually(() => assert.equal(heard.at(-1), 'Running'), { timeoutMs: 60_000 });
  stop.abort();
  await watching;
});
