import { realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { AttemptError } from '../errors.ts';
import type { QueueKind } from '../model/delivery.ts';
import type { Artifact, Credentials, Request } from '../model/experiment.ts';
import { withAnonymousFallback } from './anonymous-fallback.ts';
import { createDirectoryStore } from './directory.ts';
import { isWithin } from './directory-paths.ts';
import type { ObjectLocation, ObjectStore } from './object-store.ts';
import { createS3Store } from './s3.ts';
import type { S3Place } from './s3.ts';

export interface LocateContext {
  /** May config.env's AWS keys be used where an artifact brings none? */
  readonly allowEnvSecrets: boolean;
  /** May the runner's own AWS chain? */
  readonly allowRunnerCredentials: boolean;
  /** Where `file://` may point; absent: anywhere for messages of a directory queue, nowhere for others. */
  readonly fileRoots: readonly string[];
  /** AWS_DEFAULT_REGION of the runner. */
  readonly defaultRegion?: string | undefined;
  /** `s3://host:port` -> a URL that is used instead. */
  readonly redirect?: ReadonlyMap<string, string>;
}

const where = (artifact: Artifact) => ({ artifact: artifact.label, at: artifact.qualified });

const invalid = (artifact: Artifact, why: string) =>
  new AttemptError('artifact-invalid', `the artifact's location can not be used: ${why}`, where(artifact));

/**
 * `file:///path` and `file://localhost/path` are URLs, percent-encoded; the client's `file://home/user/…`, which lost its first
 * slash, is a path as it is.
 */
const filePath = (qualified: string): string => {
  const [, localhost, rest = ''] = /^file:\/\/(localhost(?=\/))?(.*)$/s.exec(qualified) ?? [];
  if (localhost === undefined && !rest.startsWith('/')) return `/${rest}`;
  try {
    return decodeURIComponent(rest);
  } catch {
    return rest;
  }
};

/** Where a path leads, every link followed; what does not exist yet stays as it is written. */
const realPath = (path: string): string => {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), path.slice(parent === '/' ? 1 : parent.length + 1));
  }
};

/** Whether `file://` may point there: below FILE_ROOTS, links resolved; without them only for messages of a directory queue. */
const isAllowed = (path: string, kind: QueueKind, use: LocateContext): boolean =>
  use.fileRoots.length > 0
    ? use.fileRoots.some(root => isWithin(realPath(root), realPath(path)))
    : kind === 'directory';

const locateFile = (artifact: Artifact, qualified: string, kind: QueueKind, use: LocateContext): ObjectLocation => {
  const path = resolve(filePath(qualified));
  if (path.includes('\0') || path === '/') throw invalid(artifact, 'expected the path of a file');
  if (!isAllowed(path, kind, use)) {
    throw new AttemptError(
      'access-denied',
      'file:// is not allowed here; FILE_ROOTS says where it is',
      where(artifact),
    );
  }
  // Where the key is known the bucket is what stands before it: all artifacts of an experiment then share one store.
  const key = artifact.key;
  if (key && !isAbsolute(key) && path.endsWith(`/${key}`)) {
    return { store: createDirectoryStore({ root: path.slice(0, -key.length - 1) }), key };
  }
  const slash = path.lastIndexOf('/');
  return { store: createDirectoryStore({ root: path.slice(0, slash) || '/' }), key: path.slice(slash + 1) };
};

const credentialsFor = (artifact: Artifact, request: Request, use: LocateContext): S3Place['credentials'] => {
  const own = artifact.credentials;
  if (own?.type === 'aws' || own?.type === 'anonymous') return own;
  // How MinIO names the two parts of a key.
  if (own?.type === 'plain') return { type: 'aws', accessKey: own.user, secretAccessKey: own.password };
  if (own)
    throw new AttemptError(
      'access-denied',
      `credentials of the kind ${own.type} do not open S3; expected aws or plain`,
      where(artifact),
    );
  const {
    AWS_ACCESS_KEY_ID: accessKey,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: token,
  } = request.env;
  if (use.allowEnvSecrets && accessKey && secretAccessKey) {
    return { type: 'aws', accessKey, secretAccessKey, ...(token ? { sessionToken: token } : {}) };
  }
  if (use.allowRunnerCredentials) return { type: 'runner' };
  throw new AttemptError(
    'access-denied',
    'the artifact has no credentials; expected its own, or config.env with ALLOW_ENV_SECRETS, or ALLOW_RUNNER_CREDENTIALS',
    where(artifact),
  );
};

/** `s3.<region>.amazonaws.com`, `s3-<region>.amazonaws.com`, each with `<bucket>.` before it or not. */
const awsHost = /^(?:(.+)\.)?s3(?:[.-]([a-z0-9-]+))?\.amazonaws\.com$/;

const regionOf = (
  host: string,
  credentials: Credentials | S3Place['credentials'],
  request: Request,
  use: LocateContext,
): string =>
  awsHost.exec(host)?.[2] ??
  (credentials.type === 'aws' ? credentials.region : undefined) ??
  request.env['AWS_DEFAULT_REGION'] ??
  use.defaultRegion ??
  'us-east-1';

/** TLS where the request's own stores say so, or where it is AWS. */
const schemeFor = (host: string, request: Request): string => {
  if (awsHost.test(host)) return 'https';
  const named = [request.storage?.endpoint, request.database?.endpoint].find(
    endpoint => endpoint && URL.canParse(endpoint) && new URL(endpoint).host === host,
  );
  return named?.startsWith('https:') ? 'https' : 'http';
};

const redirected = (
  target: string,
  bucket: string,
  credentials: S3Place['credentials'],
  region: string,
): ObjectStore => {
  const url = new URL(target);
  if (url.protocol === 'file:') return createDirectoryStore({ root: resolve(url.pathname, bucket) });
  const own = url.username
    ? {
        type: 'aws' as const,
        accessKey: decodeURIComponent(url.username),
        secretAccessKey: decodeURIComponent(url.password),
      }
    : credentials;
  return createS3Store({ endpoint: url.origin, region, bucket, credentials: own });
};

const locateS3 = (artifact: Artifact, qualified: string, request: Request, use: LocateContext): ObjectLocation => {
  const [, host = '', path = ''] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(qualified) ?? [];
  if (!host) throw invalid(artifact, 'expected s3://host[:port]/bucket/key');
  const virtual = awsHost.exec(host)?.[1];
  const slash = virtual === undefined ? path.indexOf('/') : -1;
  const bucket = artifact.bucket ?? virtual ?? (slash < 0 ? path : path.slice(0, slash));
  const key = artifact.key ?? (virtual === undefined ? path.slice(slash + 1) : path);
  if (!bucket || !key) throw invalid(artifact, 'it names no bucket or no key');
  const credentials = credentialsFor(artifact, request, use);
  const region = regionOf(host, credentials, request, use);
  const target = use.redirect?.get(`s3://${host}`);
  if (target) return { store: redirected(target, bucket, credentials, region), key };
  const aws = awsHost.test(host);
  const make = (as: S3Place['credentials']) =>
    createS3Store({
      ...(aws ? {} : { endpoint: `${schemeFor(host, request)}://${host}` }),
      region,
      bucket,
      credentials: as,
    });
  const store =
    credentials.type === 'anonymous'
      ? make(credentials)
      : withAnonymousFallback(make(credentials), () => make({ type: 'anonymous' }));
  return { store, key };
};

/**
 * Where an artifact is; undefined for one that has no location, or that is an image.
 * Errors: AttemptError `artifact-invalid` for a location that makes no sense, `access-denied` for one that is not allowed.
 * Source: spec "Stage-in".
 */
export const locate = (
  artifact: Artifact,
  request: Request,
  kind: QueueKind,
  use: LocateContext,
): ObjectLocation | undefined => {
  const qualified = artifact.qualified ?? artifact.url;
  if (!qualified || /^(dockerhub|shub):\/\//.test(qualified)) return undefined;
  if (qualified.startsWith('file://')) return locateFile(artifact, qualified, kind, use);
  if (qualified.startsWith('s3://')) return locateS3(artifact, qualified, request, use);
  const scheme = /^[a-z0-9+.-]+:\/\//i.exec(qualified)?.[0];
  throw invalid(
    artifact,
    scheme ? `${scheme} is not yet supported; expected s3:// or file://` : 'expected s3://… or file://…',
  );
};
