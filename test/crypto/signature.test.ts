import fc from 'fast-check';
import t from 'tap';
import { readSenderKey } from '../../lib/crypto/sender-key.ts';
import { verifyEnvelope } from '../../lib/crypto/signature.ts';
import type { AttemptError } from '../../lib/errors.ts';
import type { Envelope } from '../../lib/model/envelope.ts';
import { readMessage } from '../../lib/request/envelope.ts';
import { fixture, recorded } from '../helpers/recorded.ts';
import { createSender, sshBlob } from '../helpers/sealed.ts';

const recordedEnvelope = (): Envelope => {
  const message = readMessage(recorded('rmq_secure'));
  if (message.type !== 'envelope') throw new Error('not an envelope');
  return message.envelope;
};
const recordedSender = readSenderKey(fixture('keys/rmq_'));

t.test('the recorded message is signed by its sender, in both forms of a signature', async t => {
  const envelope = recordedEnvelope();
  t.same(await verifyEnvelope(envelope, recordedSender), { fingerprintMatches: true });
  const blob = sshBlob(Buffer.from(envelope.signature ?? '', 'base64')).toString('base64');
  t.same(await verifyEnvelope({ ...envelope, signature: blob }, recordedSender), { fingerprintMatches: true });
});

t.test('a fingerprint of another key is told, the signature decides', async t => {
  const other = { ...recordedEnvelope(), fingerprint: createSender().key.fingerprint };
  t.same(await verifyEnvelope(other, recordedSender), { fingerprintMatches: false });
});

t.test('what is not signed by the key is refused, each with its reason', async t => {
  const envelope = recordedEnvelope();
  const signature = Buffer.from(envelope.signature ?? '', 'base64');
  const rows: [{ readonly [K in keyof Envelope]?: Envelope[K] | undefined }, RegExp][] = [
    [{ signature: undefined }, /sealed and not signed/],
    [{ fingerprint: undefined }, /names no fingerprint/],
    [{ signature: createSender().sign(envelope.payload).toString('base64') }, /not of the key/],
    [{ payload: `${envelope.payload} ` }, /not of the key/],
    [{ signature: Buffer.alloc(64).toString('base64') }, /not of the key/],
    [{ signature: signature.subarray(1).toString('base64') }, /neither 64 bytes nor an SSH signature/],
    [{ signature: signature.toString('hex') }, /neither 64 bytes/],
    [{ signature: sshBlob(signature).subarray(0, 82).toString('base64') }, /neither 64 bytes/],
    [{ signature: Buffer.concat([Buffer.alloc(19), signature]).toString('base64') }, /neither 64 bytes/],
  ];
  for (const [change, message] of rows) {
    await t.rejects(verifyEnvelope({ ...envelope, ...change } as Envelope, recordedSender), {
      code: 'bad-signature',
      message,
    });
  }
});

t.test("a sender's file is read, or told what is wrong with it", async t => {
  const line = fixture('keys/rmq_').toString();
  t.equal(recordedSender.fingerprint, recordedEnvelope().fingerprint);
  t.equal(readSenderKey(Buffer.from(`${line.trim()}\r\n`)).fingerprint, recordedSender.fingerprint);
  t.equal(readSenderKey(Buffer.from(line.split(' ').slice(0, 2).join(' '))).fingerprint, recordedSender.fingerprint);
  const rows: [string, RegExp][] = [
    ['ssh-rsa AAAA x', /a key of type ssh-rsa; expected one line: ssh-ed25519/],
    ['-----BEGIN OPENSSH PRIVATE KEY-----\nx', /it holds a private key; expected/],
    ['-----BEGIN RSA PUBLIC KEY-----\nx', /more than one line/],
    [line + line, /more than one line/],
    ['hunter2', /no public key of SSH/],
    ['ssh-ed25519', /cut off or damaged/],
    [line.slice(0, 60), /cut off or damaged/],
    [line.replace('AAAAC3', 'AAAAC4'), /cut off or damaged/],
  ];
  for (const [text, message] of rows) t.throws(() => readSenderKey(Buffer.from(text)), { message });
});

t.test('another character at any place of payload or signature is refused', async t => {
  const envelope = recordedEnvelope();
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=,- '.split('');
  const changed = (text: string, at: number, to: string) => text.slice(0, at) + to + text.slice(at + 1);
  const codeOf = (other: Envelope) =>
    verifyEnvelope(other, recordedSender).then(
      () => 'verified',
      (error: unknown) => (error as AttemptError).code,
    );
  const { payload, signature = '' } = envelope;
  const comma = payload.indexOf(',');
  for (const member of ['payload', 'signature'] as const) {
    const text = member === 'payload' ? payload : signature;
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 1), fc.constantFrom(...alphabet), async (at, to) => {
        fc.pre(text[at] !== to);
        return (await codeOf({ ...envelope, [member]: changed(text, at, to) })) === 'bad-signature';
      }),
      {
        numRuns: 300,
        examples: [
          [0, '-'],
          [text.length - 1, 'A'],
          ...(member === 'payload' ? [[comma, ';'] as [number, string]] : []),
        ],
      },
    );
  }
  // The last characters of base64 have bits that mean nothing: no other spelling of a signature is one.
  const last = signature.length - 3;
  for (const to of alphabet) {
    if (to !== signature[last])
      t.equal(await codeOf({ ...envelope, signature: changed(signature, last, to) }), 'bad-signature');
  }
});
