import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { loadOptions } from '../../lib/config/load.ts';
import { options, type Options } from '../../lib/config/options.ts';
import { version } from '../../lib/version.ts';
import { chart, fullValues, podOf, renderChart, type Manifest } from '../helpers/chart.ts';
import { needService } from '../helpers/services.ts';

const modes = ['deployment', 'scaledObject', 'job', 'scaledJob'] as const;
const kinds = (manifests: readonly Manifest[]): string[] => manifests.map(({ kind }) => kind).sort();
const variables = (manifests: readonly Manifest[]) => manifests.find(({ kind }) => kind === 'ConfigMap')?.data ?? {};
const withBroker = (manifests: readonly Manifest[]): Options =>
  loadOptions([], { ...variables(manifests), AMQP_URL: 'amqp://rabbitmq.example.com' });

t.test('the chart is the version of the runner', async t => {
  const described = parse(readFileSync(join(chart, 'Chart.yaml'), 'utf8')) as Record<string, string>;
  t.match(described, { version: version(), appVersion: version() });
});

t.test('each mode renders what it is made of', async t => {
  const helm = needService(t, 'TEST_HELM');
  if (helm === undefined) return;
  const always = ['ConfigMap', 'NetworkPolicy', 'Service', 'ServiceAccount', 'ServiceMonitor'];
  const more = {
    deployment: ['Deployment'],
    scaledObject: ['Deployment', 'ScaledObject'],
    job: ['Job'],
    scaledJob: ['ScaledJob', 'TriggerAuthentication', 'TriggerAuthentication'],
  };
  for (const mode of modes) {
    const { manifests, refused } = await renderChart(helm, fullValues(mode));
    t.equal(refused, '');
    t.strictSame(kinds(manifests), [...always, ...more[mode]].sort(), mode);
  }
  t.strictSame(kinds((await renderChart(helm, {})).manifests), ['ConfigMap', 'Deployment', 'ServiceAccount']);
});

t.test('the runner accepts the options that the chart gives it', async t => {
  const helm = needService(t, 'TEST_HELM');
  if (helm === undefined) return;
  const known = new Set(Object.values(options).map(({ env }) => env as string));
  for (const mode of modes) {
    const { manifests } = await renderChart(helm, fullValues(mode));
    t.strictSame(
      Object.keys(variables(manifests)).filter(name => !known.has(name)),
      [],
      `${mode}: all are options`,
    );
    const loaded = withBroker(manifests);
    t.match(loaded, { maxAttempts: 5, allowEnvSecrets: true, workingDir: '/scratch', maxDiskBytes: 85 * 1024 ** 3 });
    t.match(variables(manifests), mode.endsWith('ob') ? { LIMIT_TASKS: '1', LIMIT_IDLE_DURATION: '300s' } : {});
    t.notOk('CPU_ONLY' in variables(manifests), 'it has GPUs');
  }
  t.match(variables((await renderChart(helm, {})).manifests), { CPU_ONLY: 'true' });
  const { manifests } = await renderChart(helm, { options: { MAX_ATTEMPTS: 12345678 } });
  t.equal(withBroker(manifests).maxAttempts, 12345678, 'no number is written with an exponent');
});

t.test('runners that follow a ConfigMap may read it, others get no token', async t => {
  const helm = needService(t, 'TEST_HELM');
  if (helm === undefined) return;
  const { manifests } = await renderChart(helm, { states: { enabled: true, configMap: 'runners' } });
  t.strictSame(kinds(manifests), ['ConfigMap', 'Deployment', 'Role', 'RoleBinding', 'ServiceAccount']);
  t.match(variables(manifests), { K8S_CONFIGMAP: 'runners' });
  t.match(podOf(manifests), { automountServiceAccountToken: true });
  t.match(podOf((await renderChart(helm, {})).manifests), { automountServiceAccountToken: false });
});

t.test('Kubernetes waits longer than the runner takes to stop', async t => {
  const helm = needService(t, 'TEST_HELM');
  if (helm === undefined) return;
  for (const mode of modes) {
    const { manifests } = await renderChart(helm, fullValues(mode));
    const { drainTimeoutMs, terminationGraceMs, stopUploadMs } = withBroker(manifests);
    t.equal(
      podOf(manifests).terminationGracePeriodSeconds * 1000,
      drainTimeoutMs + terminationGraceMs + stopUploadMs + 30_000,
    );
  }
  const { refused } = await renderChart(helm, { options: { DRAIN_TIMEOUT: '1h' } });
  t.match(refused, /options\.DRAIN_TIMEOUT: the chart sets it from its other values/);
});

t.test('keys and accounts are mounted where the runner looks for them', async t => {
  const helm = needService(t, 'TEST_HELM');
  if (helm === undefined) return;
  const { manifests } = await renderChart(helm, fullValues('deployment'));
  const loaded = withBroker(manifests);
  const { volumes, containers } = podOf(manifests);
  const secrets = new Map(volumes.map(({ name, secret }) => [name, secret?.secretName]));
  const mounts = (containers[0]?.volumeMounts ?? []).map(({ name, mountPath }) => [mountPath, secrets.get(name)]);
  t.match(Object.fromEntries(mounts), {
    [join(loaded.encryptDir, 'encryption')]: 'encryption',
    [join(loaded.encryptDir, 'passphrase')]: 'passphrase',
    [loaded.requestSignaturesDir]: 'signing',
    [loaded.responseSignaturesDir]: 'responses',
    [join(loaded.sqsCerts ?? '', 'team')]: 'sqs-team',
    [loaded.pubsubCerts ?? '']: 'pubsub',
  });
  t.strictSame(
    containers[0]?.envFrom.flatMap(from => from['secretRef']?.name ?? []),
    ['rabbitmq', 'more'],
    'the URL of the broker and other secrets come from Secrets',
  );
});

t.test('cards, cores and memory are requests and limits alike', async t => {
  const helm = needService(t, 'TEST_HELM');
  if (helm === undefined) return;
  const [container] = podOf((await renderChart(helm, fullValues('scaledJob'))).manifests).containers;
  t.strictSame(container?.resources.requests, container?.resources.limits);
  t.match(container?.resources.limits, {
    cpu: '3500m',
    memory: '30Gi',
    'nvidia.com/gpu': 2,
    'ephemeral-storage': '101Gi',
  });
  t.match(container?.env, [{ name: 'AWS_REGION' }, { name: 'NVIDIA_DRIVER_CAPABILITIES', value: 'compute,utility' }]);
  const [plain] = podOf((await renderChart(helm, {})).manifests).containers;
  t.notOk('nvidia.com/gpu' in (plain?.resources.limits ?? {}));
});

t.test('values that can not work are refused, each by its name', async t => {
  const helm = needService(t, 'TEST_HELM');
  if (helm === undefined) return;
  const rows: readonly (readonly [values: object, said: RegExp])[] = [
    [{ mode: 'daemon' }, /mode: mode must be one of/],
    [{ replica: 2 }, /replica is not allowed/],
    [{ options: { AMQP_URL: 'amqp://user:password@host' } }, /options/],
    [{ resources: { memory: '8gb' } }, /resources\.memory/],
    [{ mode: 'scaledObject', scaling: { minReplicas: 0 } }, /scaling\.minReplicas: Must be greater than or equal to 1/],
    [{ mode: 'scaledJob' }, /scaling/],
    [{ mode: 'scaledJob', scaling: { rabbitmqQueues: ['rmq_a'] } }, /rabbitmq\.secret/],
    [{ mode: 'scaledJob', scaling: { sqsQueueUrls: ['https://host/1/sqs_a'] } }, /sqs\.region/],
    [{ mode: 'job', limits: { tasks: 0, idleSeconds: 0 } }, /limits/],
  ];
  for (const [values, said] of rows) t.match((await renderChart(helm, values)).refused, said, JSON.stringify(values));
});

interface Wired {
  readonly metadata: { readonly name: string; readonly labels: object };
  readonly spec: {
    readonly selector: { readonly matchLabels: object };
    readonly podSelector: { readonly matchLabels: object };
    readonly ports: readonly object[];
    readonly endpoints: readonly object[];
    readonly triggers: readonly { readonly metadata: Readonly<Record<string, string>> }[];
    readonly template: { readonly metadata: { readonly labels: object } };
  };
}

t.test(
  'who asks a runner finds it: KEDA and Prometheus by the service, the service and the policy by its labels',
  async t => {
    const helm = needService(t, 'TEST_HELM');
    if (helm === undefined) return;
    const { manifests } = await renderChart(helm, fullValues('scaledObject'));
    const of = (kind: string) => manifests.find(manifest => manifest.kind === kind) as unknown as Wired;
    const service = of('Service');
    const pod = of('Deployment').spec.template.metadata.labels;
    t.match(pod, service.spec.selector, 'the service chooses the pods');
    t.match(pod, of('Deployment').spec.selector.matchLabels);
    t.match(pod, of('NetworkPolicy').spec.podSelector.matchLabels);
    t.match(service.metadata.labels, of('ServiceMonitor').spec.selector.matchLabels);
    t.match(service.spec.ports, [{ name: 'http', port: 9090 }]);
    t.match(of('ServiceMonitor').spec.endpoints, [{ port: 'http', path: '/metrics' }]);
    const url = of('ScaledObject').spec.triggers[0]?.metadata['url'];
    t.equal(url, `http://${service.metadata.name}.studioml.svc:9090/scale`);
  },
);
