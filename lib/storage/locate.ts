import { resolve } from 'node:path';
import type { QueueKind } from '../model/delivery.ts';
import type { Artifact, Request } from '../model/experiment.ts';
import { createDirectoryStore } from './directory.ts';
import { deniedLocation, invalidLocation } from './locate-context.ts';
import type { LocateContext } from './locate-context.ts';
import { isAllowed, locateFile } from './locate-file.ts';
import { gcsStoreIn, locateGcs } from './locate-gcs.ts';
import { locateHttp } from './locate-http.ts';
import { locateS3, s3StoreOn } from './locate-s3.ts';
import type { ObjectLocation } from './object-store.ts';

export type { LocateContext } from './locate-context.ts';

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
  if (qualified.startsWith('gs://')) return locateGcs(artifact, qualified, use);
  if (/^https?:\/\//.test(qualified)) return locateHttp(artifact, qualified);
  const scheme = /^[a-z0-9+.-]+:\/\//i.exec(qualified)?.[0];
  const expected = 'expected s3://, gs://, file:// or http(s)://';
  throw invalidLocation(artifact, scheme ? `${scheme} is not supported; ${expected}` : expected);
};

/**
 * Where the metadata object of an experiment is; undefined where the request names no metadata store.
 * Errors: AttemptError, as for artifacts. Source: spec "Metadata store".
 */
export const locateDatabase = (request: Request, kind: QueueKind, use: LocateContext): ObjectLocation | undefined => {
  const { database } = request;
  if (database?.type === undefined) return undefined;
  const { type, endpoint = '', bucket = '', credentials } = database;
  const located = { label: 'config.database', qualified: endpoint, ...(credentials ? { credentials } : {}) };
  if (bucket === '') throw invalidLocation(located, 'config.database.bucket is missing');
  const key = `experiments/${request.key}`;
  if (type === 'local') {
    const root = resolve('/', endpoint, bucket);
    if (!isAllowed(root, kind, use)) {
      throw deniedLocation(located, 'a local store is not allowed here; FILE_ROOTS says where it is');
    }
    return { store: createDirectoryStore({ root }), key };
  }
  if (type === 'gs') return { store: gcsStoreIn(bucket, located, use), key };
  if (type !== 's3') throw invalidLocation(located, `type ${type} is not supported; expected s3, gs or local`);
  const host = URL.canParse(endpoint) && endpoint.includes('://') ? new URL(endpoint).host : endpoint;
  return { store: s3StoreOn(host || 's3.amazonaws.com', bucket, located, request, use), key };
};
