import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { RequestStore } from '../../lib/request/build-request.ts';
import type { ObjectStore } from '../../lib/storage/object-store.ts';

/** A store as requests name it, with the buckets of artifacts and of metadata objects. */
export type SubmitStore = RequestStore;

const expected = 'expected http(s)://KEY:SECRET@HOST/BUCKET, or a directory /DIR/BUCKET';

/** The store that a text names; a string: what is wrong with it, without repeating a secret. */
export const readStore = (text: string | undefined, databaseBucket: string | undefined): SubmitStore | string => {
  if (!text) return `--store (SUBMIT_STORE): ${expected}`;
  if (!/^[a-z0-9]+:\/\//i.test(text)) {
    const path = resolve(text);
    const bucket = path.slice(path.lastIndexOf('/') + 1);
    const endpoint = path.slice(0, path.lastIndexOf('/'));
    if (bucket === '' || endpoint === '') return `--store (SUBMIT_STORE): found "${text}", ${expected}`;
    return { endpoint, bucket, databaseBucket: databaseBucket ?? bucket };
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const [, bucket, ...more] = url?.pathname.replace(/\/$/, '').split('/') ?? [];
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (!url || !isHttp || !bucket || more.length > 0 || url.username === '' || url.password === '')
    return `--store (SUBMIT_STORE): ${expected}`;
  const [access, secret] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  return {
    endpoint: url.origin,
    bucket,
    databaseBucket: databaseBucket ?? bucket,
    credentials: { aws: { access_key: access, secret_access_key: secret } },
  };
};

/** One bucket of it. A directory is made. */
export const openBucket = async (store: SubmitStore, bucket: string): Promise<ObjectStore> => {
  if (!store.credentials) {
    const root = join(store.endpoint, bucket);
    await mkdir(root, { recursive: true });
    return (await import('../../lib/storage/directory.ts')).createDirectoryStore({ root });
  }
  const { access_key: accessKey, secret_access_key: secretAccessKey } = store.credentials.aws;
  return (await import('../../lib/storage/s3.ts')).createS3Store({
    endpoint: store.endpoint,
    region: process.env['AWS_DEFAULT_REGION'] ?? 'us-east-1',
    bucket,
    credentials: { type: 'aws', accessKey, secretAccessKey },
  });
};
