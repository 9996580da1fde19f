import { execFileSync } from 'node:child_process';
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { readClusterKey } from '../../lib/crypto/cluster-key.ts';
import { openPayload } from '../../lib/crypto/open-envelope.ts';
import { readRsaPublicKey } from '../../lib/crypto/rsa-public-key.ts';
import { createSealer } from '../../lib/crypto/seal.ts';
import { readSenderKey } from '../../lib/crypto/sender-key.ts';
import { verifyEnvelope } from '../../lib/crypto/signature.ts';
import { runClient } from '../helpers/client.ts';
import { fixture } from '../helpers/recorded.ts';
import { needService } from '../helpers/services.ts';

const plain = JSON.stringify({ experiment: { key: 'é', filename: 'x'.repeat(10_000) } });
const noResources = { cores: 0, memoryBytes: 0, diskBytes: 0, gpus: 0, gpuMemoryBytes: 0 };

interface SealedByClient {
  readonly payload: string;
  readonly signature: string;
  readonly sshSignature: string;
  readonly fingerprint: string;
  readonly line: string;
}

/** A cluster and a sender: those of the fixtures, and ones that `runner keys` makes. */
const keySets = (t: Test) => {
  const out = t.testdir({});
  const runner = join(import.meta.dirname, '../../bin/runner');
  for (const kind of ['cluster', 'sender']) execFileSync(runner, ['keys', kind, '--out', out]);
  const made = (path: string) => readFileSync(join(out, path));
  return {
    fixtures: {
      privateKey: fixture('keys/ssh-privatekey'),
      passphrase: fixture('keys/ssh-passphrase'),
      publicKey: fixture('keys/ssh-publickey'),
      signingKey: undefined,
    },
    made: {
      privateKey: made('message/encryption/ssh-privatekey'),
      passphrase: made('message/passphrase/ssh-passphrase'),
      publicKey: made('message/encryption/ssh-publickey'),
      signingKey: made('hand-over/rmq_.sender.pem'),
    },
  };
};

t.test('what the libraries of the client seal and sign is verified and opened', async t => {
  const python = needService(t, 'TEST_CLIENT_PYTHON');
  if (!python) return;
  for (const [name, keys] of Object.entries(keySets(t))) {
    const { signingKey, publicKey } = keys;
    const asked = {
      ...{ python, home: t.testdirName, action: 'seal', plain, publicKey: publicKey.toString() },
      ...(signingKey ? { signingKey: signingKey.toString() } : {}),
    };
    const sealed = (await runClient(t, 'envelope.py', asked)) as SealedByClient;
    const sender = readSenderKey(Buffer.from(sealed.line));
    for (const signature of [sealed.signature, sealed.sshSignature]) {
      const envelope = { ...sealed, signature, clear: { resources: noResources } };
      t.same(await verifyEnvelope(envelope, sender), { fingerprintMatches: true }, name);
    }
    const key = readClusterKey(keys.privateKey, keys.passphrase);
    t.equal((await openPayload(sealed.payload, [key])).toString(), plain, name);
    if (signingKey) {
      const line = readFileSync(join(t.testdirName, 'queues/signing/rmq_'));
      t.equal(sender.fingerprint, readSenderKey(line).fingerprint, 'the key that was made is the one that signed');
    }
  }
});

t.test('what we seal and sign is verified and opened by the libraries of the client', async t => {
  const python = needService(t, 'TEST_CLIENT_PYTHON');
  if (!python) return;
  const { made, fixtures } = keySets(t);
  const signer = createPrivateKey(made.signingKey);
  const line = readFileSync(join(t.testdirName, 'queues/signing/rmq_'), 'utf8');
  t.equal(createPublicKey(signer).asymmetricKeyType, 'ed25519');
  for (const keys of [fixtures, made]) {
    const payload = await createSealer(readRsaPublicKey(keys.publicKey))(Buffer.from(plain));
    const asked = {
      ...{ python, home: t.testdirName, action: 'open', payload, line },
      signature: sign(null, Buffer.from(payload), signer).toString('base64'),
      privateKey: keys.privateKey.toString(),
      passphrase: keys.passphrase.toString(),
    };
    t.same(await runClient(t, 'envelope.py', asked), {
      plain,
      fingerprint: readSenderKey(Buffer.from(line)).fingerprint,
    });
  }
});
