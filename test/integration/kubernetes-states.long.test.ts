/** States that a ConfigMap asks for, on a real API server with its own permissions. */
import { strict as assert } from 'node:assert';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createEventBus } from '../../lib/telemetry/events.ts';
import { followStates, type State } from '../../pipelines/states.ts';
import { eventually } from '../helpers/eventually.ts';
import { startKubernetes } from '../helpers/private-kubernetes.ts';

interface Kubeconfig {
  readonly clusters: readonly { readonly cluster: { server: string; 'certificate-authority-data': string } }[];
}

t.test('a service account hears of a state once it may, until its map is gone', async t => {
  const kubernetes = await startKubernetes(t);
  if (!kubernetes) return;
  const { kubectl } = kubernetes;
  const { clusters } = JSON.parse(readFileSync(kubernetes.kubeconfig, 'utf8')) as Kubeconfig;
  const cluster = clusters[0]?.cluster;
  assert.ok(cluster);
  await kubectl(['create', 'namespace', 'ml']);
  await kubectl(['create', 'serviceaccount', 'runner', '--namespace=ml']);
  const credentials = t.testdir({});
  writeFileSync(join(credentials, 'token'), await kubectl(['create', 'token', 'runner', '--namespace=ml']));
  writeFileSync(join(credentials, 'ca.crt'), Buffer.from(cluster['certificate-authority-data'], 'base64'));

  const bus = createEventBus();
  const told: string[] = [];
  bus.events$.subscribe(({ event, fields }) => told.push(`${event} ${String(fields['map'] ?? fields['state'])}`));
  const heard: State[] = [];
  const states = followStates({
    api: { url: cluster.server, credentials },
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
  await eventually(() => assert.deepEqual(heard, ['DrainAndSuspend']), { timeoutMs: 60_000 });
  t.ok(told.includes('state-available ml/studioml-go-runner'));

  await kubectl(['create', 'configmap', '--namespace=ml', ...map('host-1', 'Running')]);
  await eventually(() => assert.deepEqual(heard.slice(1), ['Running']), { timeoutMs: 60_000 });
  await kubectl(['delete', 'configmap', 'host-1', '--namespace=ml']);
  await eventually(() => assert.deepEqual(heard.slice(2), ['DrainAndSuspend']), { timeoutMs: 60_000 });
  await kubectl(['patch', 'configmap', 'studioml-go-runner', '--namespace=ml', '--patch={"data":{"STATE":"Running"}}']);
  await eventually(() => assert.deepEqual(heard.slice(3), ['Running']), { timeoutMs: 60_000 });
});
