import type { Artifact } from '../model/experiment.ts';
import { createGcsStore } from './gcs.ts';
import { serviceAccountOf, type GcsCredentials } from './gcs/clients.ts';
import { deniedLocation, invalidLocation } from './locate-context.ts';
import type { LocateContext, Located } from './locate-context.ts';
import type { ObjectLocation, ObjectStore } from './object-store.ts';

/** What has a location in Cloud Storage, and perhaps credentials. */
type Gcs = Located & Pick<Artifact, 'credentials'>;

const credentialsFor = (artifact: Gcs, use: LocateContext): GcsCredentials => {
  const own = artifact.credentials;
  if (own?.type === 'anonymous') return own;
  if (own?.type === 'jwt') {
    const account = serviceAccountOf(own.token);
    if (account) return account;
    throw deniedLocation(
      artifact,
      'jwt.token is no service account; expected its JSON with client_email and private_key',
    );
  }
  if (own) throw deniedLocation(artifact, `credentials of the kind ${own.type} do not open gs://; expected jwt`);
  if (use.allowRunnerCredentials) return { type: 'runner' };
  throw deniedLocation(
    artifact,
    'there are no credentials; expected jwt with a service account, or ALLOW_RUNNER_CREDENTIALS',
  );
};

/** A bucket, by the rules of credentials. Errors: AttemptError. */
export const gcsStoreIn = (bucket: string, located: Gcs, use: LocateContext): ObjectStore =>
  createGcsStore({ bucket, credentials: credentialsFor(located, use) });

/** Where a `gs://` artifact is. Members `bucket` and `key` win over the path. Errors: AttemptError. */
export const locateGcs = (artifact: Artifact, qualified: string, use: LocateContext): ObjectLocation => {
  const [, first = '', rest = ''] = /^gs:\/\/([^/@?#]+)(?:\/(.*))?$/s.exec(qualified) ?? [];
  const bucket = artifact.bucket || first;
  const key = artifact.key || rest;
  if (first === '' || key === '') throw invalidLocation(artifact, 'expected gs://bucket/key');
  return { store: gcsStoreIn(bucket, artifact, use), key };
};
