import { verify, type KeyObject } from 'node:crypto';
import { AttemptError } from '../errors.ts';
import type { Envelope } from '../model/envelope.ts';
import { decodeBase64 } from './base64.ts';
import type { SenderKey } from './sender-key.ts';

const signatureBytes = 64;
const type = 'ssh-ed25519';

/** What stands before the signature in an SSH signature blob. Source: RFC 8709, section 6. */
const blobStart = Buffer.from(
  `\0\0\0${String.fromCharCode(type.length)}${type}\0\0\0${String.fromCharCode(signatureBytes)}`,
);

const refused = (what: string): AttemptError => new AttemptError('bad-signature', what);

/** The 64 bytes of a signature, which is sent as they are or as an SSH blob. Errors: AttemptError `bad-signature`. */
export const decodeSignature = (text: string): Buffer => {
  const bytes = decodeBase64(text);
  if (bytes?.length === signatureBytes) return bytes;
  const blob =
    bytes?.length === blobStart.length + signatureBytes && bytes.subarray(0, blobStart.length).equals(blobStart);
  if (bytes && blob) return bytes.subarray(blobStart.length);
  throw refused('its signature is neither 64 bytes nor an SSH signature of type ssh-ed25519, in base64');
};

/** Hashing a larger payload takes longer than a thread of the pool takes to be woken up. */
const maxSyncChars = 64 * 1024;

const verifies = async (payload: string, key: KeyObject, signature: Buffer): Promise<boolean> => {
  const bytes = Buffer.from(payload);
  if (payload.length <= maxSyncChars) return verify(null, bytes, key, signature);
  return new Promise((resolve, reject) => {
    verify(null, bytes, key, signature, (error, result) => {
      if (error) reject(error);
      else resolve(result);
    });
  });
};

/**
 * Check that the sender that a queue knows has signed an envelope: Ed25519 over the bytes of its payload as they were sent.
 * Out: whether the fingerprint is that of the key too; if it isn't, the signature alone decides.
 * Errors: AttemptError `bad-signature`.
 * Source: spec "Signature"; RFC 8032.
 */
export const verifyEnvelope = async (
  { payload, fingerprint, signature }: Envelope,
  { key, fingerprint: expected }: SenderKey,
): Promise<{ readonly fingerprintMatches: boolean }> => {
  if (signature === undefined) throw refused('the message is sealed and not signed');
  if (fingerprint === undefined) throw refused('the message is signed and names no fingerprint of a key');
  if (!(await verifies(payload, key, decodeSignature(signature)))) {
    throw refused("its signature is not of the key that its queue's senders have");
  }
  return { fingerprintMatches: fingerprint === expected };
};
