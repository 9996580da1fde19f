import assert from 'node:assert/strict';
import { constants, generateKeyPairSync, privateDecrypt } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import t, { type Test } from 'tap';
import { spellingsOf } from '../../lib/telemetry/spellings.ts';
import { eventually } from '../helpers/eventually.ts';
import { PipelineScene, sceneQueue } from '../helpers/pipeline-scene.ts';

/** In what the runner is started with. */
const own = {
  AMQP_URL: 'amqp://user:canary0wnAmqp@127.0.0.1:9/',
  AWS_SECRET_ACCESS_KEY: 'canary0wnAwsSecret',
  AWS_ACCESS_KEY_ID: 'canary0wnAwsKey',
  SLACK_HOOK: 'https://hooks.slack.com/services/canary0wnHook',
  KEY_PASSPHRASE: 'canary0wnPassphrase',
};
/** In the request. */
const given = {
  secret_access_key: 'canaryGiven/Secret+Key',
  session_token: 'canaryGivenSessionToken',
  password: 'canaryGiven "Password" ä',
  token: 'canaryGivenJwtToken',
  env: 'canaryGivenEnvValue',
  hook: 'https://hooks.slack.com/services/canaryGivenHook',
  queue: 'canaryGivenQueuePassword',
};

/** Prints everything it can get at, as it is, in pieces and encoded. */
const curious = `
import base64, json, os, re, sys, urllib.parse
print(sorted(os.environ.items()))
pid = os.getpid()
while pid > 1:
    for name in ('environ', 'cmdline'):
        try:
            print(pid, name, open('/proc/%d/%s' % (pid, name), 'rb').read())
        except OSError as error:
            print(error)
    pid = int(open('/proc/%d/stat' % pid).read().rsplit(') ', 1)[1].split()[1])
    if 'main.js' not in open('/proc/%d/cmdline' % pid).read():
        break
for secret in [bytes.fromhex(text).decode() for text in sys.argv[2:]]:
    print(secret, file=sys.stderr)
    for encoded in (urllib.parse.quote(secret, safe=''), urllib.parse.quote(secret), urllib.parse.quote_plus(secret)):
        print(encoded)
        print(re.sub('%..', lambda octet: octet.group().lower(), encoded))
    print(json.dumps({'said': secret}))
    for before in range(3):
        print(base64.b64encode(b'x' * before + secret.encode()).decode())
    for piece in (secret[:5], secret[5:9], secret[9:] + '\\n'):
        sys.stdout.write(piece)
        sys.stdout.flush()
print('the end')
sys.exit(int(sys.argv[1]))
`;

/** Reads what each process of the runner was started with, until bzip2 is one of them; then lets that go on. */
const watchful = `
import os, pathlib, sys, time
runner, let_go = sys.argv[1:]
def read(pid, name):
    return open('/proc/%s/%s' % (pid, name), 'rb').read()
def is_below(pid):
    while pid not in ('0', runner):
        pid = read(pid, 'stat').rsplit(b') ', 1)[1].split()[1].decode()
    return pid == runner
os.makedirs('../modeldir', exist_ok=True)
open('../modeldir/model', 'w').write('weights')
seen = {}
until = time.monotonic() + 60
while not any(b'/bzip2' in cmdline for cmdline, _ in seen.values()) and time.monotonic() < until:
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            if is_below(pid):
                seen[pid] = read(pid, 'cmdline'), read(pid, 'environ')
        except OSError:
            pass
    time.sleep(0.01)
pathlib.Path(let_go).touch()
for one in seen.values():
    print(*one)
`;

const openScene = async (t: Test) => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keys = join(t.testdirName, 'keys');
  // AMQP_URL names a broker that is not there: the directory queue is served beside it.
  const env = { ...own, RESPONSE_SIGNATURES_DIR: keys, DEBUG: 'true' };
  const scene = new PipelineScene(t, env);
  mkdirSync(scene.responses);
  mkdirSync(keys);
  writeFileSync(join(keys, sceneQueue), publicKey.export({ type: 'pkcs1', format: 'pem' }));
  await scene.event(event => event.event === 'key-changed');
  const open = (sealed: string): string => {
    const [key, box] = sealed.split(',').map(part => Buffer.from(part, 'base64')) as [Buffer, Buffer];
    const how = { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
    const opened = xsalsa20poly1305(privateDecrypt(how, key), box.subarray(0, 24)).decrypt(box.subarray(24));
    return Buffer.from(opened).toString();
  };
  const reports = () => {
    const files = readdirSync(scene.responses).filter(name => !name.startsWith('.') && name !== 'lock.lock');
    return files.map(name => open(readFileSync(join(scene.responses, name), 'utf8')));
  };
  return { scene, reports };
};

/** Put the canaries where a request may hold secrets. */
const withCanaries = (body: string): string => {
  const request = JSON.parse(body) as { experiment: Record<string, unknown>; config: Record<string, unknown> };
  const artifacts = request.experiment['artifacts'] as Record<string, Record<string, unknown>>;
  const { secret_access_key, session_token, password, token } = given;
  const aws = { access_key: 'canaryA', secret_access_key, session_token };
  for (const artifact of Object.values(artifacts)) {
    artifact['credentials'] = { aws, plain: { user: 'u', password }, jwt: { token } };
  }
  const { config } = request;
  config['env'] = { MY_API_KEY: given.env, SEEN: '%AMQP_URL% %KEY_PASSPHRASE%' };
  config['runner'] = { slack_destination: '#room', slack_hook: given.hook };
  config['cloud'] = { queue: { rmq: `amqp://u:${given.queue}@broker:5672/` } };
  return JSON.stringify(request);
};

/** A text with what is URL-encoded in it decoded, by the rules of URLs and by those of forms. */
const urlDecoded = (text: string): readonly string[] => {
  const decode = (encoded: string) =>
    encoded.replace(/(?:%[0-9a-f]{2})+/gi, octets => Buffer.from(octets.replaceAll('%', ''), 'hex').toString());
  return [decode(text), decode(text.replaceAll('+', ' '))];
};

const leaks = (name: string, text: string, secrets: readonly string[]): string[] => {
  const decoded = urlDecoded(text);
  return secrets.flatMap(secret => [
    ...spellingsOf(secret).flatMap(word => (text.includes(word) ? [`${name}: ${word}`] : [])),
    ...(decoded.some(one => one.includes(secret)) ? [`${name}: ${secret}, URL-encoded`] : []),
  ]);
};

t.test('no secret is anywhere but where it belongs, however an attempt ends', async t => {
  const { scene, reports } = await openScene(t);
  const hex = Object.values(given).map(text => Buffer.from(text).toString('hex'));
  const send = async (code: string): Promise<string> => {
    const { key, body } = await scene.request({ program: curious, args: [code, ...hex] });
    scene.send(withCanaries(body));
    return key;
  };
  const good = await send('0');
  const bad = await send('3');
  t.equal((await scene.settled(good))['cause'], 'completed');
  t.equal((await scene.settled(bad))['cause'], 'exited');

  // Refusals: cut off, no request, no room ever, a program that is not there, an envelope.
  const { body } = await scene.request({ program: curious });
  const whole = withCanaries(body);
  scene.send(whole.slice(0, -40));
  scene.send(whole.replace('"experiment":', '"other":'));
  scene.send(whole.replace('"filename":"main.py"', '"filename":"missing.py"'));
  scene.send(JSON.stringify({ message: { payload: `${given.token},${given.token}`, signature: given.token } }));
  await eventually(
    () => {
      const ended = scene.runner.events.filter(event => ['settled', 'queue-backoff'].includes(event.event));
      assert.ok(ended.length >= 6, JSON.stringify(ended.map(event => [event.event, event['cause']])));
    },
    { timeoutMs: 60_000 },
  );

  const secrets = Object.values(given).filter(text => !text.startsWith('canaryA'));
  const all = [...secrets, ...Object.values(own), 'canary0wnAmqp'];
  const output = (await scene.output(good)).toString();
  t.match(output, /the end/);
  t.match(output, /STUDIOML_EXPERIMENT/, 'it printed its environment');
  t.match(output, /environ b'/, 'and read that of the runner');
  t.match(output, /main\.js/);
  t.same(leaks('output', output, all), []);
  for (const key of [good, bad]) t.same(leaks('document', JSON.stringify(await scene.metadata(key)), all), []);
  t.same(leaks('events', JSON.stringify(scene.runner.events), all), []);
  t.same(leaks('stderr', scene.runner.errors, all), []);
  const told = reports();
  t.same(leaks('reports', told.join('\n'), all), []);
  t.ok(told.length > 20);
  const letters = scene.deadLetters().map(({ reason, message }) => `${reason} ${message}`);
  t.same(leaks('dead letters', letters.join('\n'), all), []);
  for (const text of await scene.storedRequests()) t.same(leaks('stored request', text, all), []);

  interface Told {
    readonly uniqueId: string;
    readonly experimentId: string;
    readonly time: string;
    readonly logging?: { readonly message: string; readonly fields?: Readonly<Record<string, string>> };
    readonly progress?: { readonly state?: string; readonly error?: { readonly msg: string; readonly code?: number } };
  }
  const parsed = told.map(text => JSON.parse(text) as Told);
  const ends = parsed.filter(({ progress }) => progress?.state === 'Failed' || progress?.state === 'Success');
  t.same(new Set(ends.map(({ experimentId }) => experimentId)).size, 3, 'nothing is told of what was refused');
  t.match(
    ends.find(({ experimentId }) => experimentId === bad),
    { progress: { state: 'Failed', error: { msg: 'exited: exited with code 3', code: 3 } } },
  );
  t.match(
    ends.find(({ experimentId }) => experimentId === good),
    { progress: { state: 'Success' } },
  );
});

t.test('no process that the runner starts shows its secrets, the one that packs neither', async t => {
  const bin = join(t.testdirName, 'bin');
  const letGo = join(bin, 'let-go');
  const scene = new PipelineScene(t, { ...own, PATH: `${bin}:${process.env['PATH'] ?? ''}` });
  mkdirSync(bin);
  writeFileSync(join(bin, 'bzip2'), `#!/bin/sh\nuntil [ -e '${letGo}' ]; do sleep 0.1; done\nexec cat\n`, {
    mode: 0o755,
  });
  const { key, body } = await scene.request({ program: watchful, args: [String(scene.runner.pid), letGo] });
  const packed = body.replaceAll('/modeldir.tar"', '/modeldir.tar.bz2"');
  scene.send(packed.replace('"modeldir":{', '"modeldir":{"saveFrequency":1,'));
  t.equal((await scene.settled(key))['cause'], 'completed');
  const output = (await scene.output(key)).toString();
  t.match(output, /main\.js/, 'it saw the runner');
  t.match(output, /bzip2\\x00-c/, 'and what packs');
  t.same(leaks('output', output, [...Object.values(own), 'canary0wnAmqp']), []);
});

t.test('a secret on the command line is not on that of the process', async t => {
  const scene = new PipelineScene(t, {}, undefined, [
    '--slack-hook=https://hooks.slack.com/canaryFlag1',
    '--amqp-url',
    'amqp://u:canaryFlag2@127.0.0.1:9/',
  ]);
  await scene.event(event => event.event === 'runner-started');
  const of = (name: string) => readFileSync(`/proc/${String(scene.runner.pid)}/${name}`, 'utf8');
  t.notMatch(of('cmdline') + of('environ'), /canary/);
  t.match(of('cmdline'), /--slack-hook=hidden\0--amqp-url\0hidden\0/);
  await scene.event(event => event.event === 'broker-lost');
});
