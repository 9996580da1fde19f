import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readFault } from '../../lib/crypto/key-file.ts';
import { messageOf, OptionsError } from '../../lib/errors.ts';
import type { RequestStore } from '../../lib/request/build-request.ts';
import type { ObjectStore } from '../../lib/storage/object-store.ts';
import { makeDirectory } from '../../lib/workspace/make-directory.ts';

/** A store as requests name it, with the buckets of artifacts and of metadata objects. */
export type SubmitStore = RequestStore;

const expected = 'expected http(s)://KEY:SECRET@HOST/BUCKET, gs://BUCKET, or a directory /DIR/BUCKET';
const fault = (found = ''): string => `--store (SUBMIT_STORE): ${found === '' ? '' : `found "${found}", `}${expected}`;

const directoryOf = (text: string, databaseBucket: string | undefined): SubmitStore | string => {
  const path = resolve(text);
  const bucket = path.slice(path.lastIndexOf('/') + 1);
  const endpoint = path.slice(0, path.lastIndexOf('/'));
  return bucket === '' || endpoint === ''
    ? fault(text)
    : { endpoint, bucket, databaseBucket: databaseBucket ?? bucket };
};

/** The store that a text names; a string: what is wrong with it, without repeating a secret. */
export const readStore = (text: string | undefined, databaseBucket: string | undefined): SubmitStore | string => {
  if (!text) return fault();
  if (!/^[a-z0-9]+:\/\//i.test(text)) return directoryOf(text, databaseBucket);
  const [, inGcs] = /^gs:\/\/([^/@?#]+)\/?$/.exec(text) ?? [];
  if (inGcs !== undefined) return { endpoint: 'gs://', bucket: inGcs, databaseBucket: databaseBucket ?? inGcs };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const [, bucket, ...more] = url?.pathname.replace(/\/$/, '').split('/') ?? [];
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (!url || !isHttp || !bucket || more.length > 0 || url.username === '' || url.password === '') return fault();
  const [access, secret] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  return {
    endpoint: url.origin,
    bucket,
    databaseBucket: databaseBucket ?? bucket,
    credentials: { aws: { access_key: access, secret_access_key: secret } },
  };
};

/** A store of Cloud Storage with the service account in a file, which its requests carry. Errors: OptionsError. */
export const withServiceAccount = async (store: SubmitStore, file: string | undefined): Promise<SubmitStore> => {
  if (file === undefined) return store;
  const refuse = (why: string) => new OptionsError([`--service-account: ${file} can not be used: ${why}`]);
  const token = await readFile(file, 'utf8').catch((error: unknown) => {
    throw refuse(readFault(error));
  });
  const { serviceAccountOf } = await import('../../lib/storage/gcs/clients.ts');
  if (!serviceAccountOf(token))
    throw refuse('expected the JSON of a service account, with client_email and private_key');
  return { ...store, credentials: { jwt: { token } } };
};

/** One bucket of it. A directory is made. Errors: OptionsError where it can not be. */
export const openBucket = async (store: SubmitStore, bucket: string): Promise<ObjectStore> => {
  const { endpoint, credentials } = store;
  if (endpoint.startsWith('gs:')) {
    const { createGcsStore } = await import('../../lib/storage/gcs.ts');
    const account = credentials && 'jwt' in credentials ? credentials.jwt.token : undefined;
    return createGcsStore({
      bucket,
      credentials: account === undefined ? { type: 'runner' } : { type: 'service-account', json: account },
    });
  }
  if (!credentials || 'jwt' in credentials) {
    const root = join(endpoint, bucket);
    await makeDirectory(root).catch((error: unknown) => {
      throw new OptionsError([`--store (SUBMIT_STORE): ${root} can not be made: ${messageOf(error)}; choose another`]);
    });
    return (await import('../../lib/storage/directory.ts')).createDirectoryStore({ root });
  }
  const { access_key: accessKey, secret_access_key: secretAccessKey } = credentials.aws;
  return (await import('../../lib/storage/s3.ts')).createS3Store({
    endpoint,
    region: process.env['AWS_DEFAULT_REGION'] ?? 'us-east-1',
    bucket,
    credentials: { type: 'aws', accessKey, secretAccessKey },
  });
};
