import { execFile } from 'node:child_process';
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { writeKeys } from '../../bin/keys/write.ts';
import { readClusterKey } from '../../lib/crypto/cluster-key.ts';
import { openPayload } from '../../lib/crypto/open-envelope.ts';
import { readRsaPublicKey } from '../../lib/crypto/rsa-public-key.ts';
import { createSealer } from '../../lib/crypto/seal.ts';
import { readSenderKey } from '../../lib/crypto/sender-key.ts';
import { verifyEnvelope } from '../../lib/crypto/signature.ts';

const runner = join(import.meta.dirname, '../../bin/runner');

const keys = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  new Promise<{ code: number; stdout: string; stderr: string }>(resolve => {
    const options = { env: { PATH: process.env['PATH'], ...env }, timeout: 60_000 };
    execFile(runner, ['keys', ...args], options, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

t.test('a cluster pair opens what is sealed with it, and its secrets are shown to nobody', async t => {
  const out = join(t.testdir({}), 'certs');
  const made = await keys(['cluster', '--out', out]);
  t.equal(made.code, 0, made.stderr);
  const file = (name: string) => readFileSync(join(out, 'message', name));
  const privatePem = file('encryption/ssh-privatekey').toString();
  t.match(privatePem, /^-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC/);
  const key = readClusterKey(file('encryption/ssh-privatekey'), file('passphrase/ssh-passphrase'));
  t.equal(key.sealedBytes, 512);
  const publicPem = file('encryption/ssh-publickey');
  t.match(publicPem.toString(), /^-----BEGIN RSA PUBLIC KEY-----/);
  const payload = await createSealer(readRsaPublicKey(publicPem))(Buffer.from('sealed'));
  t.equal((await openPayload(payload, [key])).toString(), 'sealed');
  t.match(made.stdout, publicPem.toString().trim());
  t.notMatch(made.stdout, file('passphrase/ssh-passphrase').toString());
  for (const line of privatePem.split('\n').slice(4, 8)) t.notOk(made.stdout.includes(line));
  t.equal(modeOf(join(out, 'message/encryption/ssh-privatekey')), '600');
  t.equal(modeOf(join(out, 'message/passphrase')), '700');
});

t.test('a sender pair signs what its file verifies', async t => {
  const out = t.testdir({});
  const made = await keys(['sender', '--queue-prefix', 'sqs_team', '--json'], { CERTS_DIR: out });
  t.equal(made.code, 0, made.stderr);
  const told = JSON.parse(made.stdout) as { fingerprint: string; files: { path: string; secret: boolean }[] };
  const line = readFileSync(join(out, 'queues/signing/sqs_team'));
  const sender = readSenderKey(line);
  t.equal(told.fingerprint, sender.fingerprint);
  t.strictSame(
    told.files.map(file => [file.path, file.secret]),
    [
      [join(out, 'queues/signing/sqs_team'), false],
      [join(out, 'hand-over/sqs_team.sender.pem'), true],
    ],
  );
  const privateKey = createPrivateKey(readFileSync(join(out, 'hand-over/sqs_team.sender.pem')));
  const signature = sign(null, Buffer.from('a,b'), privateKey).toString('base64');
  const envelope = { payload: 'a,b', signature, fingerprint: sender.fingerprint, clear: { resources: {} as never } };
  t.same(await verifyEnvelope(envelope, sender), { fingerprintMatches: true });
});

t.test('a response pair lies where reports are sealed, its private half where it is handed over', async t => {
  const out = t.testdir({});
  t.match(await keys(['response', '--out', out]), { code: 0 });
  const publicKey = readRsaPublicKey(readFileSync(join(out, 'queues/response-encrypt/rmq_')));
  const privateKey = createPrivateKey({
    key: readFileSync(join(out, 'hand-over/rmq_.response.pem')),
    passphrase: readFileSync(join(out, 'hand-over/rmq_.response.passphrase'), 'utf8'),
  });
  const spki = { type: 'spki', format: 'pem' } as const;
  t.equal(createPublicKey(privateKey).export(spki), publicKey.export(spki));
});

t.test('nothing is written over, and nothing is written by half', async t => {
  const out = t.testdir({ message: { passphrase: { 'ssh-passphrase': 'mine' } } });
  const ended = await keys(['cluster', '--out', out]);
  t.match(ended, { code: 2, stdout: '', stderr: /ssh-passphrase is there already; nothing was written/ });
  t.equal(readFileSync(join(out, 'message/passphrase/ssh-passphrase'), 'utf8'), 'mine');
  t.notOk(existsSync(join(out, 'message/encryption')));
  writeFileSync(join(out, 'queues'), '');
  t.match(await keys(['sender', '--out', out]), { code: 1, stderr: /ENOTDIR|EEXIST/ });
  t.notOk(existsSync(join(out, 'hand-over')));
});

t.test('what could not be written whole is not left behind', async t => {
  const out = t.testdir({});
  const about = { secret: true, purpose: '' };
  const [first, second] = [join(out, 'first'), join(out, 'second')];
  // Its file can be made, and nothing written to it, as on a full disk.
  const unwritable = { ...about, path: second, text: 5 as unknown as string };
  await t.rejects(writeKeys([{ ...about, path: first, text: 'key' }, unwritable]), { message: /nothing was written/ });
  t.strictSame(readdirSync(out), []);
});

t.test('what is wrong with the call is told', async t => {
  t.match(await keys([]), { code: 2, stderr: /expected one of cluster, sender, response/ });
  t.match(await keys(['sender', '--queue-prefix', '../x']), { code: 2, stderr: /--queue-prefix: found "\.\.\/x"/ });
  t.match(await keys(['sender', '--queue-prefix', 'info']), { code: 2, stderr: /not "info"/ });
  t.match(await keys(['cluster', '--queue-prefix', 'a']), { code: 2, stderr: /one pair for all queues/ });
  t.match(await keys(['cluster', '--colour']), { code: 2, stderr: /Unknown option '--colour'/ });
});
