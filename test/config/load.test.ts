import { resolve } from 'node:path';
import t from 'tap';
import { sinkName, sinkPlace } from '../../lib/config/event-sinks.ts';
import { loadOptions } from '../../lib/config/load.ts';
import { OptionsError } from '../../lib/errors.ts';

const faultsOf = (argv: readonly string[], env: Record<string, string> = {}): readonly string[] => {
  try {
    loadOptions(argv, { QUEUE_ROOT: '/q', ...env });
    return [];
  } catch (error) {
    if (error instanceof OptionsError) return error.faults;
    throw error;
  }
};
const load = (argv: readonly string[], env: Record<string, string> = {}) =>
  loadOptions(argv, { QUEUE_ROOT: '/q', ...env });

t.test('defaults are those of the table, in ms, bytes and absolute paths', async t => {
  t.match(load([]), {
    queueRoot: '/q',
    amqpUrls: [],
    amqpMgtUrls: [],
    maxAttempts: 3,
    unplacedAfterMs: 24 * 3_600_000,
    terminationGraceMs: 60_000,
    drainTimeoutMs: 0,
    maxMemBytes: 0,
    memoryLimit: 'soft',
    events: ['-'],
    clearTextMessages: false,
    schemaLogs: true,
    queueMismatch: undefined,
    fileRoots: [],
  });
  t.ok(load([]).queueMatch.test('rmq_cpu'));
  t.notOk(load([]).queueMatch.test('other'));
  t.ok(load([]).experimentEnv.includes('LC_*'));
});

t.test('the working directory is TMPDIR, or /tmp', async t => {
  t.equal(load([]).workingDir, '/tmp');
  t.equal(load([], { TMPDIR: '/scratch' }).workingDir, '/scratch');
  t.equal(load([], { TMPDIR: '/scratch', WORKING_DIR: 'here' }).workingDir, resolve('here'));
});

t.test('a flag wins over its variable, the last of several flags wins', async t => {
  const env = { MAX_CORES: '2' };
  t.equal(load([], env).maxCores, 2);
  t.equal(load(['--max-cores', '3'], env).maxCores, 3);
  t.equal(load(['--max-cores=3', '--max-cores=4'], env).maxCores, 4);
});

t.test('flags are written with = or a blank, one dash or two', async t => {
  for (const argv of [
    ['--queue-match=^a=b$'],
    ['--queue-match', '^a=b$'],
    ['-queue-match=^a=b$'],
    ['-queue-match', '^a=b$'],
  ])
    t.equal(load(argv).queueMatch.source, '^a=b$');
});

t.test('booleans are true, false, 1 or 0, or a flag alone', async t => {
  t.equal(load(['--debug']).debug, true);
  t.equal(load(['--debug', '--max-cores', '1']).debug, true);
  t.equal(load(['--debug=0']).debug, false);
  t.equal(load(['--debug', 'false', '--max-cores', '1']).debug, false);
  t.equal(load([], { DEBUG: '1', SCHEMA_LOGS: 'FALSE' }).schemaLogs, false);
});

t.test('an empty variable is as good as none', async t => {
  t.match(load([], { MAX_ATTEMPTS: ' ', ENCRYPT_DIR: '', S3_CA: '' }), { maxAttempts: 3 });
});

t.test('a variable that is no option is never a fault', async t => {
  t.same(faultsOf([], { QUEUE_MATHC: 'x', AMQP: 'y' }), []);
});

t.test('an unknown flag is a fault, with the nearest name where one is near', async t => {
  t.same(faultsOf(['--que-match=x']), ['--que-match: there is no such option; did you mean --queue-match?']);
  t.same(faultsOf(['--colour', 'red']), ['--colour: there is no such option; --help lists them']);
});

t.test('a flag without its value and a stray word are faults', async t => {
  t.same(faultsOf(['--max-cores', '--debug']), ['--max-cores: a value is missing']);
  t.same(faultsOf(['--max-cores']), ['--max-cores: a value is missing']);
  t.same(faultsOf(['stray']), ['"stray": expected an option, which begins with --']);
});

t.test('all faults are told at once, each with option, variable, what was found and what was expected', async t => {
  t.same(
    faultsOf(['--max-attempts=0', '--queue-match=('], { MAX_MEM: '3 gigs', DRAIN_TIMEOUT: 'soon', DEBUG: 'maybe' }),
    [
      '--queue-match (QUEUE_MATCH): found "(" on the command line, expected a regular expression (/(/u: Unterminated group)',
      '--max-attempts (MAX_ATTEMPTS): found "0" on the command line, expected at least 1',
      '--max-mem (MAX_MEM): found "3 gigs" in the environment, expected a size such as 3gb, 512mib, 0',
      '--debug (DEBUG): found "maybe" in the environment, expected true or false',
      '--drain-timeout (DRAIN_TIMEOUT): found "soon" in the environment, expected a duration such as 90s, 20m, 1h30m, 2d',
    ],
  );
});

t.test('numbers are whole', async t => {
  for (const found of ['1.5', '0x10', '1e3', 'NaN', '99999999999999999999'])
    t.same(faultsOf(['--max-attempts', found]), [
      `--max-attempts (MAX_ATTEMPTS): found "${found}" on the command line, expected a whole number`,
    ]);
});

t.test('one place that work comes from must be given, unless the command needs none', async t => {
  t.same(faultsOf([], { QUEUE_ROOT: '' }), [
    'no queues to serve: expected --amqp-url (AMQP_URL), --queue-root (QUEUE_ROOT), --sqs-certs (SQS_CERTS), --pubsub-certs (PUBSUB_CERTS), --pubsub-project (PUBSUB_PROJECT), or an AWS account in the environment',
  ]);
  t.doesNotThrow(() => loadOptions([], {}, { queues: false }));
  t.doesNotThrow(() => loadOptions([], { AMQP_URL: 'amqp://h' }));
  t.doesNotThrow(() => loadOptions([], { SQS_CERTS: '/certs' }));
});

t.test('the AWS chain serves SQS where nothing else is given, or where its endpoint is', async t => {
  const serves = (env: Readonly<Record<string, string>>) => loadOptions([], env).sqsChain;
  t.equal(serves({ AWS_ACCESS_KEY_ID: 'a' }), true);
  t.equal(serves({ AWS_REGION: 'eu-west-1' }), true, 'a machine with a role says no more');
  t.equal(serves({ AWS_ACCESS_KEY_ID: 'a', QUEUE_ROOT: '/queues' }), false, 'it may be there for S3 only');
  t.equal(serves({ AWS_ENDPOINT_URL_SQS: 'http://h', QUEUE_ROOT: '/queues' }), true);
  t.equal(serves({ AWS_ENDPOINT_URL_SQS: 'http://h', SQS_CERTS: '/certs' }), false, 'the directory names the accounts');
});

t.test('a source of work that is given and wrong is not called missing too', async t => {
  t.same(faultsOf([], { QUEUE_ROOT: '', AMQP_URL: 'http://h' }), [
    '--amqp-url (AMQP_URL): what is in the environment is not valid, expected amqp:// or amqps:// and a host',
  ]);
});

t.test('an error never repeats a secret', async t => {
  const faults = faultsOf(['--amqp-url=amqp//user:hunter22@h'], { AMQP_MGT_URL: 'ftp://u:hunter22@h' });
  t.equal(faults.length, 2);
  t.notMatch(faults.join('\n'), /hunter22/);
});

t.test('variables are put into AMQP_URL; one that is not set stays, since $ may stand in a password', async t => {
  const env = { AMQP_URL: 'amqp://$USER_NAME:${PASS}@h/%2Fa$b', USER_NAME: 'me', PASS: 'p' };
  t.same(load([], env).amqpUrls, ['amqp://me:p@h/%2Fa$b']);
});

t.test('the management URL is the broker, its port + 10000, with its user', async t => {
  t.same(load([], { AMQP_URL: 'amqp://u:p%40@h/v, amqps://a:b@k:1234,amqp://[::1]' }).amqpMgtUrls, [
    'http://u:p%40@h:15672',
    'https://a:b@k:11234',
    'http://[::1]:15672',
  ]);
});

t.test('a management URL that names no user gets that of the broker', async t => {
  t.same(load([], { AMQP_URL: 'amqp://u:p@h', AMQP_MGT_URL: 'https://m:1' }).amqpMgtUrls, ['https://u:p@m:1/']);
  t.same(load([], { AMQP_URL: 'amqp://u:p@h', AMQP_MGT_URL: 'https://x:y@m:1' }).amqpMgtUrls, ['https://x:y@m:1']);
});

t.test('there is a management URL for each broker or for none', async t => {
  t.match(faultsOf([], { AMQP_URL: 'amqp://h,amqp://k', AMQP_MGT_URL: 'http://m' }), [
    /AMQP_MGT_URL\): found 1 URLs, expected one for each of the 2 of --amqp-url/,
  ]);
});

t.test('a word that is none of those that decide about safety stops the start', async t => {
  t.match(faultsOf([], { MEMORY_LIMIT: 'firm' }), [/expected soft or hard/]);
});

t.test('what the configuration of other runners holds is accepted', async t => {
  const env = { PROM_ADDRESS: ':9090', LIMIT_TASKS: '3', LOGXI: '*=DBG', K8S_NAMESPACE: 'ml' };
  t.match(load(['--lease=90s'], env), { limitTasks: 3, k8sNamespace: 'ml', leaseMs: 90_000 });
});

t.test('the cache needs a directory and a size of 1gb or more', async t => {
  t.match(faultsOf([], { CACHE_DIR: '/c' }), [/CACHE_DIR\), --cache-size \(CACHE_SIZE\): found only one/]);
  t.match(faultsOf([], { CACHE_DIR: '/c', CACHE_SIZE: '10mb' }), [
    /found "10mb" in the environment, expected at least 1gb/,
  ]);
  t.same(faultsOf([], { CACHE_DIR: '/c', CACHE_SIZE: '1gb' }), []);
});

t.test('events go to places of every kind; what is none is told without what may be secret in it', async t => {
  t.same(load([], { EVENTS: '-, /var/log/e.ndjson,events.ndjson' }).events, [
    '-',
    '/var/log/e.ndjson',
    'events.ndjson',
  ]);
  const good = [
    'tcp://h:1',
    'http://h',
    'https://u:p@h/x',
    'syslog://h',
    'syslog+udp://h:5514',
    'pino-loki?host=x',
    '@a/b',
  ];
  for (const sink of good) t.doesNotThrow(() => load([], { EVENTS: sink }), sink);
  for (const sink of ['tcp://h', 'tcp://h:1/path', 'tcp://:1', 'ftp://u:hunter22@h', 'http://'])
    t.match(faultsOf([], { EVENTS: sink }), [/^--events \(EVENTS\): found "\w+:\/\/…", expected - for stdout/], sink);
});

t.test('what a sink is', async t => {
  t.same(sinkPlace('tcp://[::1]:5'), { type: 'tcp', host: '::1', port: 5 });
  t.same(sinkPlace('syslog://h'), { type: 'syslog', protocol: 'tcp', host: 'h', port: 514 });
  t.same(sinkPlace('syslog+udp://h:1'), { type: 'syslog', protocol: 'udp', host: 'h', port: 1 });
  t.same(sinkPlace('pino-loki?host=http://l:3100&batching=true&labels={"a":"b"}'), {
    type: 'package',
    name: 'pino-loki',
    options: { host: 'http://l:3100', batching: true, labels: { a: 'b' } },
  });
  t.equal(sinkName('https://u:p@h/x?token=secret'), 'https://h/x');
  t.equal(sinkName('pino-loki?password=secret'), 'pino-loki');
});
