import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { fullValues, renderChart } from '../helpers/chart.ts';
import { eventually } from '../helpers/eventually.ts';
import { blocksOf } from '../helpers/guide.ts';
import { startKubernetes } from '../helpers/private-kubernetes.ts';
import { needService } from '../helpers/services.ts';

const patience = { timeoutMs: 60_000, everyMs: 500 };

/** The type of the Prometheus operator as far as the chart uses it; what else there were is refused. */
const serviceMonitors = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'servicemonitors.monitoring.coreos.com' },
  spec: {
    group: 'monitoring.coreos.com',
    scope: 'Namespaced',
    names: { kind: 'ServiceMonitor', plural: 'servicemonitors', singular: 'servicemonitor' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                required: ['endpoints', 'selector'],
                properties: {
                  selector: {
                    type: 'object',
                    properties: { matchLabels: { type: 'object', additionalProperties: { type: 'string' } } },
                  },
                  endpoints: {
                    type: 'array',
                    items: {
                      type: 'object',
                      properties: {
                        port: { type: 'string' },
                        path: { type: 'string' },
                        interval: { type: 'string', pattern: '^[0-9]+s$' },
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};

t.test('a real API server takes what the chart renders, every field of it', async t => {
  const helm = needService(t, 'TEST_HELM');
  if (helm === undefined) return;
  const kubernetes = await startKubernetes(t);
  if (kubernetes === undefined) return;
  const { kubectl, kedaTypes } = kubernetes;
  const create = (manifests: string) =>
    kubectl(
      ['create', '--namespace', 'rendered', '--dry-run=server', '--validate=strict', '--output=name', '--filename=-'],
      manifests,
    );
  await kubectl(['create', '--filename', kedaTypes]);
  await kubectl(['create', '--filename=-'], JSON.stringify(serviceMonitors));
  await kubectl(['create', 'namespace', 'rendered']);
  await kubectl(['create', 'priorityclass', 'experiments', '--value=1000']);
  await kubectl(
    ['create', '--filename=-'],
    'apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: nvidia}\nhandler: nvidia',
  );
  // The types are there some time after their definitions.
  await eventually(async () => {
    await kubectl([
      'get',
      'scaledjobs.keda.sh,scaledobjects.keda.sh,triggerauthentications.keda.sh,servicemonitors',
      '-A',
    ]);
  }, patience);

  const made: Readonly<Record<string, number>> = { deployment: 6, scaledObject: 7, job: 6, scaledJob: 8 };
  for (const [mode, count] of Object.entries(made)) {
    const { text } = await renderChart(helm, fullValues(mode));
    t.equal((await create(text)).trim().split('\n').length, count, mode);
  }
  t.equal((await create((await renderChart(helm, {})).text)).trim().split('\n').length, 3, 'with its own values');

  const { text } = await renderChart(helm, fullValues('scaledJob'));
  await t.rejects(
    create(text.replace('pollingInterval:', 'pollingIntervall:')),
    /unknown field "spec.pollingIntervall"/,
  );
  await t.rejects(create(text.replace('restartPolicy:', 'restartPolice:')), /unknown field .*restartPolice/);

  // What operators are told to type, as it stands in their guide.
  const home = t.testdir({});
  symlinkSync(new URL('../../deploy', import.meta.url).pathname, join(home, 'deploy'));
  const files = ['message/encryption/ssh-privatekey', 'message/passphrase/ssh-passphrase', 'queues/signing/rmq_team'];
  for (const file of files) {
    mkdirSync(join(home, 'certs', dirname(file)), { recursive: true });
    writeFileSync(join(home, 'certs', file), 'key');
  }
  const commands = blocksOf('docs/operators.md', 'sh').filter(block => /^(kubectl|helm) /m.test(block));
  t.equal(commands.length, 3);
  const env = {
    ...process.env,
    KUBECONFIG: kubernetes.kubeconfig,
    PATH: [dirname(helm), process.env['PATH']].join(delimiter),
  };
  for (const block of commands) await promisify(execFile)('sh', ['-ec', block], { cwd: home, env });
  const left = await kubectl([
    'get',
    'deployments,scaledjobs.keda.sh,secrets',
    '--namespace=studioml',
    '--output=name',
  ]);
  t.match(left, 'scaledjob.keda.sh/runners-studioml-runner');
  t.notMatch(left, 'deployment.apps', 'the upgrade took it away');
  t.match(left, 'secret/studioml-signing');
});
