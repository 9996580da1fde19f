import t from 'tap';
import { flagOf, type OptionRow } from '../../lib/config/option-rows.ts';
import { parseValue } from '../../lib/config/option-values.ts';
import { groups, options, type Options } from '../../lib/config/options.ts';
import { expandVariables } from '../../lib/config/expand.ts';

const table: Readonly<Record<string, OptionRow>> = options;
const each = Object.entries(table);

// Every option of the specification, by its variable, and those that are this runner's own.
const specified =
  `AMQP_URL AMQP_MGT_URL SQS_CERTS SQS_TIMEOUT QUEUE_ROOT PUBSUB_CERTS PUBSUB_PROJECT AMQP_QUEUES EVENTS MAX_ATTEMPTS
UNPLACED_AFTER DRAIN_TIMEOUT TERMINATION_GRACE STOP_UPLOAD EXPERIMENT_ENV EXPERIMENT_USER MEMORY_LIMIT FILE_ROOTS
ALLOW_RUNNER_CREDENTIALS STATUS_TOKEN IMAGE_ALLOW LEASE QUEUE_MATCH QUEUE_MISMATCH CERTS_DIR ENCRYPT_DIR REQUEST_SIGNATURES_DIR
RESPONSE_SIGNATURES_DIR CLEAR_TEXT_MESSAGES ALLOW_ENV_SECRETS WORKING_DIR MAX_CORES MAX_MEM MAX_DISK CPU_ONLY CACHE_DIR CACHE_SIZE
CACHE_CREATE S3_CA S3_CERT S3_KEY PROM_ADDRESS SCHEMA_LOGS LIMIT_TASKS LIMIT_IDLE_DURATION LIMIT_INTERVAL K8S_NAMESPACE
K8S_CONFIGMAP SLACK_HOOK SLACK_ROOM CPU_PROFILE DEBUG LOGXI LOGXI_FORMAT CONTAINER_NETWORK CONTAINER_USER CONTAINER_PIDS
ENVIRONMENTS_SIZE GPU_SLOTS`.split(/\s+/);

t.test('the table has every option that is listed here and no other', async t => {
  t.same(each.map(([, row]) => row.env).sort(), [...specified].sort());
});

t.test('each option stands in exactly one group', async t => {
  const grouped = groups.flatMap(({ rows }) => Object.keys(rows));
  t.same(grouped.sort(), Object.keys(options).sort());
});

t.test('flags and variables are the same words', async t => {
  t.equal(flagOf(options.k8sConfigmap), '--k8s-configmap');
  for (const [, { env }] of each) t.match(env, /^[A-Z][A-Z0-9_]*$/);
});

t.test('defaults and bounds are valid values of their own option', async t => {
  for (const [name, row] of each) {
    for (const text of [expandVariables(row.default, {}), row.min, row.max])
      if (text !== undefined && text !== '')
        t.notMatch(parseValue(row, text), { expected: String }, `${name}: ${text}`);
  }
});

t.test('names carry the unit of what they hold', async t => {
  for (const [name, { type }] of each) {
    t.equal(name.endsWith('Ms'), type === 'duration', name);
    t.equal(name.endsWith('Bytes'), type === 'bytes', name);
  }
});

t.test('types follow from the table', async t => {
  const typed = (some: Options) => {
    const bytes: number = some.maxMemBytes;
    const pattern: RegExp | undefined = some.queueMismatch;
    const limit: 'soft' | 'hard' = some.memoryLimit;
    // @ts-expect-error it may be undefined
    const root: string = some.queueRoot;
    return { bytes, pattern, limit, root };
  };
  t.type(typed, 'function');
});
