import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Artifact, Credentials, Request } from '../model/experiment.ts';
import { withAnonymousFallback } from './anonymous-fallback.ts';
import { createDirectoryStore } from './directory.ts';
import { deniedLocation, invalidLocation } from './locate-context.ts';
import type { LocateContext, Located } from './locate-context.ts';
import type { ObjectLocation, ObjectStore } from './object-store.ts';
import { createS3Store } from './s3.ts';
import type { S3Place } from './s3.ts';

type S3Credentials = S3Place['credentials'];

/** `s3.<region>.amazonaws.com`, `s3-<region>.amazonaws.com`, each with `<bucket>.` before it or not. */
const awsHost = /^(?:(.+)\.)?s3(?:[.-](?:dualstack\.)?([a-z0-9-]+))?\.amazonaws\.com(?:\.cn)?$/;
/** Any other address of AWS: of an access point, or of a network of one's own there. */
const ofAws = /\.amazonaws\.com(?:\.cn)?$/;

/** Whose credentials open it: its own, config.env's, the runner's, each where allowed. Errors: AttemptError `access-denied`. */
const credentialsFor = (
  located: Located & { readonly credentials?: Credentials },
  request: Request,
  use: LocateContext,
): S3Credentials => {
  const own = located.credentials;
  if (own?.type === 'aws' || own?.type === 'anonymous') return own;
  // How MinIO names the two parts of a key.
  if (own?.type === 'plain') return { type: 'aws', accessKey: own.user, secretAccessKey: own.password };
  if (own) throw deniedLocation(located, `credentials of the kind ${own.type} do not open S3; expected aws or plain`);
  const {
    AWS_ACCESS_KEY_ID: accessKey,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  } = request.env;
  if (use.allowEnvSecrets && accessKey && secretAccessKey) {
    return { type: 'aws', accessKey, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
  }
  if (use.allowRunnerCredentials) return { type: 'runner' };
  throw deniedLocation(
    located,
    'the artifact has no credentials; expected its own, or config.env with ALLOW_ENV_SECRETS, or ALLOW_RUNNER_CREDENTIALS',
  );
};

/** TLS where the request's own stores say so for that host, or where the runner is told so. */
const schemeFor = (host: string, request: Request, use: LocateContext): string => {
  const named = [request.storage?.endpoint, request.database?.endpoint].find(
    endpoint => endpoint && URL.canParse(endpoint) && new URL(endpoint).host === host,
  );
  return use.tls !== undefined || ofAws.test(host) || named?.startsWith('https:') ? 'https' : 'http';
};

/** The store that stands in for another: a directory of buckets, or a server, with keys of its own where the URL has them. */
const standIn = (
  target: string,
  place: Pick<S3Place, 'region' | 'bucket' | 'tls'>,
  credentials: () => S3Credentials,
): ObjectStore => {
  const { bucket } = place;
  const url = new URL(target);
  if (url.protocol === 'file:') return createDirectoryStore({ root: resolve(fileURLToPath(url), bucket) });
  const [accessKey, secretAccessKey] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  const own = url.username === '' ? credentials() : { type: 'aws' as const, accessKey, secretAccessKey };
  return createS3Store({ ...place, endpoint: url.origin, credentials: own });
};

/** A bucket on a host, as the rules of regions, TLS and credentials have it. */
export const s3StoreOn = (
  host: string,
  bucket: string,
  located: Located & { readonly credentials?: Credentials },
  request: Request,
  use: LocateContext,
): ObjectStore => {
  const aws = awsHost.exec(host);
  const own = located.credentials?.type === 'aws' ? located.credentials.region : undefined;
  const region = (aws?.[2] ?? own ?? request.env['AWS_DEFAULT_REGION'] ?? use.defaultRegion) || 'us-east-1';
  if (!/^[a-z0-9-]+$/.test(region)) throw invalidLocation(located, `${JSON.stringify(region)} is no region`);
  const target = use.redirect?.get(`s3://${host}`);
  const inBucket = { region, bucket, tls: use.tls };
  if (target !== undefined) return standIn(target, inBucket, () => credentialsFor(located, request, use));
  const place = aws ? inBucket : { ...inBucket, endpoint: `${schemeFor(host, request, use)}://${host}` };
  if ('endpoint' in place && !URL.canParse(place.endpoint)) throw invalidLocation(located, 'it names no host');
  const credentials = credentialsFor(located, request, use);
  const store = createS3Store({ ...place, credentials });
  return credentials.type === 'anonymous'
    ? store
    : withAnonymousFallback(store, () => createS3Store({ ...place, credentials: { type: 'anonymous' } }));
};

/** Where an `s3://` artifact is. Members `bucket` and `key` win over the path. Errors: AttemptError. */
export const locateS3 = (
  artifact: Artifact,
  qualified: string,
  request: Request,
  use: LocateContext,
): ObjectLocation => {
  const [, host = '', path = ''] = /^s3:\/\/([^/@?#]+)(?:\/(.*))?$/s.exec(qualified) ?? [];
  if (host === '') throw invalidLocation(artifact, 'expected s3://host[:port]/bucket/key');
  const virtual = awsHost.exec(host)?.[1];
  const [first = '', ...rest] = path.split('/');
  const bucket = artifact.bucket || (virtual ?? first);
  const key = artifact.key || (virtual === undefined ? rest.join('/') : path);
  if (bucket === '' || key === '') throw invalidLocation(artifact, 'it names no bucket or no key');
  return { store: s3StoreOn(host, bucket, artifact, request, use), key };
};
