import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { runCheck } from '../../bin/check.ts';
import { keyChecks } from '../../bin/checks/keys.ts';
import { loadOptions } from '../../lib/config/load.ts';
import { layOutCerts } from '../helpers/certs.ts';

const findingsOf = async (env: Record<string, string>) => {
  const options = loadOptions([], { QUEUE_ROOT: '/nowhere/queues', ...env });
  return Object.fromEntries(
    await Promise.all(keyChecks.map(async check => [check.name, await runCheck(check, options)] as const)),
  );
};

t.test('keys that can be used are named', async t => {
  const certs = layOutCerts(t.testdir({}));
  t.match(await findingsOf({ CERTS_DIR: certs }), {
    'directories of keys': { status: 'ok' },
    'cluster key': { status: 'ok', found: `${certs}/message/encryption/ssh-privatekey, 4096 bits` },
    senders: { status: 'ok', found: `${certs}/queues/signing: rmq_*` },
    'report keys': { status: 'ok' },
  });
});

t.test('empty directories are a failure where only encrypted requests are accepted', async t => {
  const certs = t.testdir({ message: {}, queues: { signing: {} } });
  t.match(await findingsOf({ CERTS_DIR: certs }), {
    'cluster key': { status: 'failure', found: /ssh-privatekey: there is no such file/, remedy: /runner keys cluster/ },
    senders: {
      status: 'failure',
      found: /signing holds no keys/,
      expected: /ssh-ed25519/,
      remedy: /runner keys sender/,
    },
  });
  t.match(await findingsOf({ CERTS_DIR: certs, CLEAR_TEXT_MESSAGES: 'true' }), {
    'cluster key': { status: 'ok', found: /^none/ },
    senders: { status: 'ok', found: /^none/ },
  });
});

t.test('what is wrong with a file is told with its name and what was expected, never with its contents', async t => {
  const certs = layOutCerts(t.testdir({}));
  const privateKey = join(certs, 'message/encryption/ssh-privatekey');
  const publicKey = join(certs, 'message/encryption/ssh-publickey');
  const sender = join(certs, 'queues/signing/rmq_');
  writeFileSync(join(certs, 'message/passphrase/ssh-passphrase'), 'hunter2-hunter2');
  writeFileSync(sender, 'hunter3-hunter3');
  const listener = join(certs, 'queues/response-encrypt/rmq_');
  mkdirSync(dirname(listener), { recursive: true });
  writeFileSync(listener, 'hunter4-hunter4');
  const wrong = await findingsOf({ CERTS_DIR: certs });
  t.match(wrong, {
    'cluster key': { status: 'failure', found: new RegExp(`${privateKey}: the passphrase does not open it`) },
    'report keys': { status: 'failure', found: new RegExp(`${listener}: it holds no public key in PEM`) },
    senders: {
      status: 'failure',
      found: `${sender}: it holds no public key of SSH; expected one line: ssh-ed25519 AAAA… comment`,
    },
  });
  t.notMatch(JSON.stringify(wrong), /hunter/);
  writeFileSync(privateKey, 'ssh-rsa AAAA');
  t.match(await findingsOf({ CERTS_DIR: certs }), { 'cluster key': { found: /it holds a public key; expected PEM/ } });
  layOutCerts(certs);
  rmSync(publicKey);
  t.match(await findingsOf({ CERTS_DIR: certs }), {
    'cluster key': { status: 'warning', found: `${publicKey}: there is no such file`, remedy: /openssl rsa/ },
    senders: { status: 'ok' },
  });
});

t.test('a directory that was named and is not there is a failure', async t => {
  const directory = t.testdir({ file: '' });
  const found = await findingsOf({
    ENCRYPT_DIR: join(directory, 'none'),
    REQUEST_SIGNATURES_DIR: join(directory, 'file'),
  });
  t.match(found['directories of keys'], {
    status: 'failure',
    found: /--encrypt-dir \(ENCRYPT_DIR\): .*no such directory.*--request-signatures-dir .*not a directory/,
  });
});
