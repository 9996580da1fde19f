import { execFile } from 'node:child_process';
import { parseAllDocuments } from 'yaml';

/** The chart of this project. */
export const chart = new URL('../../deploy/chart', import.meta.url).pathname;

/** A manifest as far as the tests look into it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

export interface PodSpec {
  readonly terminationGracePeriodSeconds: number;
  readonly restartPolicy?: string;
  readonly volumes: readonly { readonly name: string; readonly secret?: { readonly secretName: string } }[];
  readonly containers: readonly {
    readonly image: string;
    readonly envFrom: readonly Readonly<Record<string, { readonly name: string }>>[];
    readonly env?: readonly { readonly name: string; readonly value: string }[];
    readonly resources: Readonly<Record<'requests' | 'limits', Readonly<Record<string, string | number>>>>;
    readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  }[];
}

export interface Rendered {
  /** What helm says against the values; '' where it rendered. */
  readonly refused: string;
  /** As helm prints them. */
  readonly text: string;
  readonly manifests: readonly Manifest[];
}

/** Render the chart as release `tests` with real helm. */
export const renderChart = (helm: string, values: object): Promise<Rendered> =>
  new Promise((resolve, reject) => {
    const args = ['template', 'tests', chart, '--namespace', 'studioml', '--values', '-'];
    const child = execFile(helm, args, { maxBuffer: 16 * 1024 * 1024 }, (error, text, stderr) => {
      if (error !== null && stderr === '') reject(new Error('helm did not run', { cause: error }));
      const manifests = parseAllDocuments(text).map(document => document.toJS() as Manifest);
      resolve({ refused: error === null ? '' : stderr, text, manifests: manifests.filter(Boolean) });
    });
    child.stdin?.end(JSON.stringify(values));
  });

/** The pod of the manifest that makes pods. */
export const podOf = (manifests: readonly Manifest[]): PodSpec => {
  for (const { kind, spec } of manifests) {
    if (!['Deployment', 'Job', 'ScaledJob'].includes(kind)) continue;
    const owner = kind === 'ScaledJob' ? spec?.['jobTargetRef'] : spec;
    return (owner as { template: { spec: PodSpec } }).template.spec;
  }
  throw new Error('no manifest makes pods');
};

/** Values that use all of the chart in each mode. */
export const fullValues = (mode: string): object => ({
  mode,
  replicas: 2,
  image: { repository: 'registry.example.com/studioml-runner', pullSecrets: ['pull'] },
  options: { QUEUE_MATCH: '^(rmq|sqs)_.*$', MAX_ATTEMPTS: 5, ALLOW_ENV_SECRETS: true },
  rabbitmq: { secret: 'rabbitmq' },
  sqs: { region: 'us-west-2', accounts: [{ name: 'team', secret: 'sqs-team' }] },
  pubsub: { secret: 'pubsub' },
  keys: { encryption: 'encryption', passphrase: 'passphrase', signing: 'signing', responses: 'responses' },
  envSecrets: ['more'],
  resources: { cpu: '3500m', memory: '30Gi', scratchGiB: 100, gpu: 2 },
  stop: { drainTimeoutSeconds: 600, terminationGraceSeconds: 30, stopUploadSeconds: 90 },
  scaling: {
    rabbitmqQueues: ['rmq_team'],
    sqsQueueUrls: ['https://sqs.us-west-2.amazonaws.com/123456789012/sqs_team'],
    sqsSecret: 'keda-sqs',
  },
  serviceAccount: { annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::123456789012:role/runner' } },
  metrics: { serviceMonitor: true, labels: { release: 'prometheus' } },
  networkPolicy: { enabled: true, from: [{ matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } }] },
  podAnnotations: { 'example.com/team': 'ml' },
  podLabels: { team: 'ml' },
  nodeSelector: { 'example.com/gpu': 'a100' },
  tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }],
  affinity: { nodeAffinity: {} },
  priorityClassName: 'experiments',
  runtimeClassName: 'nvidia',
});
