import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { clusterFiles, openKeyring } from '../../lib/crypto/keyring.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { layOutCerts } from '../helpers/certs.ts';
import { eventually } from '../helpers/eventually.ts';
import { fixture } from '../helpers/recorded.ts';

const newPair = (passphrase: string) => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    publicPem: publicKey.export({ type: 'pkcs1', format: 'pem' }) as string,
    pem: privateKey.export({ type: 'pkcs1', format: 'pem', cipher: 'aes-256-cbc', passphrase }) as string,
  };
};
const fixturePem = fixture('keys/ssh-publickey').toString();
const two = newPair('second');
const three = newPair('third');

const open = async (t: Test, directory: string) => {
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const keyring = await openKeyring({ directory, emit: bus.emit });
  t.teardown(keyring.close);
  const become = (...pems: readonly string[]) =>
    eventually(() => {
      assert.deepEqual(
        keyring.keys.map(key => key.publicPem.trim()),
        pems.map(pem => pem.trim()),
      );
    });
  return { keyring, events, become };
};

t.test('a swapped key takes effect, and the one before it still opens', async t => {
  const directory = join(layOutCerts(t.testdir({})), 'message');
  const { keyring, events, become } = await open(t, directory);
  await become(fixturePem);
  t.equal(keyring.fault, undefined);
  const files = clusterFiles(directory);
  // Key and passphrase change one after the other.
  writeFileSync(files.privateKey, two.pem);
  await keyring.look();
  await keyring.look();
  await become(fixturePem);
  t.match(keyring.fault, /ssh-privatekey: the passphrase does not open it.*ssh-passphrase/);
  writeFileSync(files.passphrase, 'second\n');
  await become(two.publicPem, fixturePem);
  t.equal(keyring.fault, undefined);
  writeFileSync(files.passphrase, 'third');
  writeFileSync(files.privateKey, three.pem);
  await become(three.publicPem, two.publicPem);
  t.strictSame(
    events.map(event => [event.event, event.fields['change']]),
    [
      ['key-changed', 'added'],
      ['key-unusable', undefined],
      ['key-changed', 'changed'],
      ['key-changed', 'changed'],
    ],
  );
  t.notMatch(JSON.stringify(events), /PassPhrase|second|third|BEGIN/);
});

t.test('a key that is gone is gone, a moment without its file takes nothing', async t => {
  const directory = join(layOutCerts(t.testdir({})), 'message');
  const { keyring, become } = await open(t, directory);
  const { privateKey } = clusterFiles(directory);
  unlinkSync(privateKey);
  await keyring.look();
  t.equal(keyring.keys.length, 1);
  writeFileSync(privateKey, fixture('keys/ssh-privatekey'));
  await keyring.look();
  t.equal(keyring.keys.length, 1);
  unlinkSync(privateKey);
  await become();
  t.equal(keyring.fault, `${privateKey}: there is no such file`);
  writeFileSync(privateKey, fixture('keys/ssh-privatekey'));
  await become(fixturePem);
});

t.test('a key that can not be looked at stays, and its fault is told', async t => {
  const directory = join(layOutCerts(t.testdir({})), 'message');
  const { keyring, events, become } = await open(t, directory);
  const { privateKey } = clusterFiles(directory);
  renameSync(privateKey, `${privateKey}.away`);
  symlinkSync(privateKey, privateKey);
  for (let look = 0; look < 3; look++) await keyring.look();
  await become(fixturePem);
  t.match(keyring.fault, /ssh-privatekey: its links lead in a circle/);
  unlinkSync(privateKey);
  renameSync(`${privateKey}.away`, privateKey);
  await keyring.look();
  await become(fixturePem);
  t.equal(keyring.fault, undefined);
  t.strictSame(
    events.map(one => one.event),
    ['key-changed', 'key-unusable'],
  );
});

t.test('two mounted Kubernetes secrets are followed when their links are swapped', async t => {
  const directory = t.testdir({ encryption: {}, passphrase: {} });
  const mount = (folder: string, version: string, name: string, text: string) => {
    const at = join(directory, folder);
    mkdirSync(join(at, version));
    writeFileSync(join(at, version, name), text);
    symlinkSync(version, join(at, '..data_tmp'));
    renameSync(join(at, '..data_tmp'), join(at, '..data'));
  };
  mount('encryption', '..1', 'ssh-privatekey', two.pem);
  mount('passphrase', '..1', 'ssh-passphrase', 'second');
  symlinkSync('..data/ssh-privatekey', join(directory, 'encryption/ssh-privatekey'));
  symlinkSync('..data/ssh-passphrase', join(directory, 'passphrase/ssh-passphrase'));
  const { become } = await open(t, directory);
  await become(two.publicPem);
  mount('passphrase', '..2', 'ssh-passphrase', 'third');
  mount('encryption', '..2', 'ssh-privatekey', three.pem);
  for (const folder of ['encryption', 'passphrase']) rmSync(join(directory, folder, '..1'), { recursive: true });
  await become(three.publicPem, two.publicPem);
});

t.test('where a key is optional, that there never was one is not told; what is wrong with one is', async t => {
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const directory = t.testdir({ encryption: {} });
  const keyring = await openKeyring({ directory, emit: bus.emit, optional: true });
  t.teardown(keyring.close);
  t.match(keyring.fault, /ssh-privatekey: there is no such file/);
  t.strictSame(events, []);
  const { privateKey: file } = clusterFiles(directory);
  writeFileSync(file, 'no key');
  await keyring.look();
  t.match(events, [{ event: 'key-unusable', fields: { file, why: /^(?!.*ssh-privatekey:)/ } }]);
});

t.test('a start without a key says which file and why', async t => {
  const empty = await open(t, t.testdir({}));
  t.match(empty.keyring, { keys: [], fault: /encryption\/ssh-privatekey: there is no such file$/ });
  const directory = join(layOutCerts(t.testdir({})), 'message');
  writeFileSync(clusterFiles(directory).passphrase, 'wrong word');
  const wrong = await open(t, directory);
  t.match(
    wrong.keyring.fault,
    /ssh-privatekey: the passphrase does not open it, or it is damaged \[passphrase=.*ssh-passphrase\]/,
  );
  unlinkSync(clusterFiles(directory).passphrase);
  const none = await open(t, directory);
  t.match(none.keyring.fault, /there is no passphrase for it \[passphrase=.*ssh-passphrase: there is no such file\]/);
  t.notMatch(JSON.stringify(wrong.events), 'wrong word');
});
