import assert from 'node:assert/strict';
import { mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadOptions } from '../../lib/config/load.ts';
import { createEventBus } from '../../lib/telemetry/events.ts';
import { openKeys } from '../../pipelines/keys.ts';
import { layOutCerts } from '../helpers/certs.ts';
import { eventually } from '../helpers/eventually.ts';

const optionsOf = (env: Record<string, string>, argv: readonly string[] = []) =>
  loadOptions(argv, { QUEUE_ROOT: '/nowhere', ...env });
const open = async (t: Test, env: Record<string, string>) => {
  const keys = await openKeys(optionsOf(env), createEventBus().emit);
  t.teardown(keys.close);
  return keys;
};

t.test('the directories derive from CERTS_DIR, however it is given, unless named one by one', async t => {
  t.match(optionsOf({ CERTS_DIR: '/c' }), {
    encryptDir: '/c/message',
    requestSignaturesDir: '/c/queues/signing',
    responseSignaturesDir: '/c/queues/response-encrypt',
  });
  t.match(optionsOf({ CERTS_DIR: '/c', ENCRYPT_DIR: '/e' }, ['--certs-dir', '/d']), {
    encryptDir: '/e',
    requestSignaturesDir: '/d/queues/signing',
  });
  t.match(optionsOf({}), { encryptDir: join(process.cwd(), 'certs/message') });
});

t.test('a queue is refused where nothing could be accepted from it, naming the file that is lacking', async t => {
  const certs = layOutCerts(t.testdir({}));
  const sealed = await open(t, { CERTS_DIR: certs });
  t.equal(sealed.refusal('rmq_a'), undefined);
  t.match(sealed.refusal('sqs_a'), `a file in ${certs}/queues/signing that is named with the beginning`);
  const both = await open(t, { CERTS_DIR: certs, CLEAR_TEXT_MESSAGES: 'true' });
  t.equal(both.refusal('sqs_a'), undefined, 'clear text is accepted from it');

  const privateKey = join(certs, 'message/encryption/ssh-privatekey');
  unlinkSync(privateKey);
  const keyless = await open(t, { CERTS_DIR: certs, CLEAR_TEXT_MESSAGES: 'true' });
  t.equal(keyless.refusal('sqs_a'), undefined);
  t.equal(keyless.refusal('rmq_a'), `${privateKey}: there is no such file`, 'clear text is refused there');
  writeFileSync(join(certs, 'queues/signing/sqs_'), 'no key');
  const broken = await open(t, { CERTS_DIR: certs, CLEAR_TEXT_MESSAGES: 'true' });
  t.match(broken.refusal('sqs_a'), /signing\/sqs_: it holds no public key of SSH; expected one line/);
});

t.test('a queue is refused while the directory of signing keys can not be listed, clear text or not', async t => {
  const certs = layOutCerts(t.testdir({}));
  const signing = join(certs, 'queues/signing');
  renameSync(signing, `${signing}.away`);
  symlinkSync(signing, signing);
  const keys = await open(t, { CERTS_DIR: certs, CLEAR_TEXT_MESSAGES: 'true' });
  const why = `${signing}: its links lead in a circle; expected a directory of key files`;
  t.strictSame([keys.refusal('rmq_a'), keys.refusal('sqs_a')], [why, why]);
});

t.test('a change of any key is told, and is in effect then', async t => {
  const certs = layOutCerts(t.testdir({}));
  const keys = await open(t, { CERTS_DIR: certs });
  const seen: (string | undefined)[] = [];
  keys.changed$.subscribe(() => seen.push(keys.refusal('rmq_a')));
  const encryption = join(certs, 'message/encryption');
  renameSync(encryption, `${encryption}.away`);
  await eventually(() => {
    assert.match(String(seen.at(-1)), /no such file/);
  });
  mkdirSync(encryption);
  renameSync(`${encryption}.away`, encryption);
  await eventually(() => {
    assert.ok(seen.length > 1 && seen.at(-1) === undefined);
  });
});

t.test('default directories need not be there, those named by hand must', async t => {
  const directory = t.testdir({ file: '' });
  const emit = createEventBus().emit;
  for (const name of ['CERTS_DIR', 'ENCRYPT_DIR', 'REQUEST_SIGNATURES_DIR', 'RESPONSE_SIGNATURES_DIR']) {
    await t.rejects(openKeys(optionsOf({ [name]: join(directory, 'none') }), emit), {
      message: new RegExp(
        `\\(${name}\\): found ".*/none", but there is no such directory; expected a directory of keys`,
      ),
    });
    await t.rejects(openKeys(optionsOf({ [name]: join(directory, 'file') }), emit), { message: /not a directory/ });
  }
  const keys = await open(t, {});
  t.match(keys.refusal('rmq_a'), /certs\/queues\/signing/);
});
