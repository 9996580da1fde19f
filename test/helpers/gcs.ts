import { generateKeyPairSync, randomUUID, verify } from 'node:crypto';
import type { Test } from 'tap';
import { createGcsStore, type GcsPlace } from '../../lib/storage/gcs.ts';
import { needService } from './services.ts';

/** A fresh bucket on the Cloud Storage server of the tests; undefined, and the test skipped, where there is none. */
export const needGcs = async (t: Test) => {
  const endpoint = needService(t, 'TEST_GCS_URL');
  if (endpoint === undefined) return undefined;
  const bucket = `test-${randomUUID()}`;
  const made = await fetch(`${endpoint}/storage/v1/b?project=p`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: bucket }),
  });
  if (!made.ok) throw new Error(`no bucket: HTTP ${made.status}`);
  const open = (other: Partial<GcsPlace> = {}) =>
    createGcsStore({ bucket, endpoint, credentials: { type: 'anonymous' }, ...other });
  t.teardown(async () => {
    const store = open();
    for await (const { key } of store.list('')) await store.delete(key);
    await fetch(`${endpoint}/storage/v1/b/${bucket}`, { method: 'DELETE' });
  });
  return { endpoint, bucket, open };
};

/** A service account as Google's JSON has it, and whether a token is signed by it. */
export const serviceAccount = () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const email = 'runner@p.iam.gserviceaccount.com';
  const json = JSON.stringify({
    type: 'service_account',
    project_id: 'p',
    client_email: email,
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  });
  const isSigned = (authorization = ''): boolean => {
    const [, head = '', claims = '', signature = ''] = /^Bearer ([^.]+)\.([^.]+)\.([^.]+)$/.exec(authorization) ?? [];
    const { iss } = JSON.parse(Buffer.from(claims, 'base64url').toString() || '{}') as { readonly iss?: string };
    const signed = Buffer.from(`${head}.${claims}`);
    return iss === email && verify('sha256', signed, publicKey, Buffer.from(signature, 'base64url'));
  };
  return { json, isSigned };
};
