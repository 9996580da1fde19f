import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { leastLevel, wantsJson } from '../../lib/config/logxi.ts';
import { loadOptions } from '../../lib/config/load.ts';

const directory = new URL('../../fixtures/config-maps/', import.meta.url).pathname;

/** The variables that a pod gets of a map. */
const variablesOf = (file: string): Record<string, string> => {
  const [, data = ''] = readFileSync(join(directory, file), 'utf8').split('\ndata:\n');
  return Object.fromEntries(
    [...data.matchAll(/^ {2}(\w+): "(.*)"$/gm)].map(([, name = '', value = '']) => [name, value]),
  );
};

t.test("the maps of the Go runner's users work unchanged", async t => {
  const files = readdirSync(directory);
  t.same(files.sort(), ['aws.yaml', 'cpu-job.yaml', 'rabbitmq-sealed.yaml']);
  for (const file of files) {
    const env = variablesOf(file);
    t.ok(Object.keys(env).length > 3, file);
    t.doesNotThrow(() => loadOptions([], { ...env, RABBITMQ_USER: 'u', RABBITMQ_PASSWORD: 'p' }), file);
  }
});

t.test('what stands in them is what the runner does', async t => {
  const job = loadOptions([], variablesOf('cpu-job.yaml'));
  t.match(job, { maxCores: 8, maxMemBytes: 32e9, clearTextMessages: true });
  t.equal(job.amqpUrls.length, 1);
  const sealed = loadOptions([], {
    ...variablesOf('rabbitmq-sealed.yaml'),
    RABBITMQ_USER: 'u',
    RABBITMQ_PASSWORD: 'p',
  });
  t.same(sealed.amqpUrls, ['amqp://u:p@rabbitmq.default.svc.cluster.local:5672/']);
  t.same(sealed.amqpMgtUrls, ['http://u:p@rabbitmq.default.svc.cluster.local:15672/']);
  const aws = loadOptions([], variablesOf('aws.yaml'));
  t.match(aws.sqsCerts, /certs\/aws-sqs$/);
  t.ok(aws.queueMatch.test('sqs_team'));
});

t.test("LOGXI's levels and formats are understood, and never a fault", async t => {
  t.equal(leastLevel('*=DBG'), 'debug');
  t.equal(leastLevel('*=WRN,runner=DBG'), 'debug');
  t.equal(leastLevel('*=OFF'), 'none');
  t.equal(leastLevel('*=ERR'), 'error');
  for (const text of ['', '*', 'other=DBG', '*=LOUD', '===,,']) t.equal(leastLevel(text), undefined, text);
  t.ok(wantsJson('JSON'));
  t.notOk(wantsJson('happy,maxcol=1024'));
});
