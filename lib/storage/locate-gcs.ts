import type { Artifact } from '../model/experiment.ts';
import { createGcsStore } from './gcs.ts';
import type { GcsCredentials } from './gcs/clients.ts';
import { deniedLocation, invalidLocation } from './locate-context.ts';
import type { LocateContext } from './locate-context.ts';
import type { ObjectLocation } from './object-store.ts';

/** A service account as Google's JSON has it; undefined where the token is none. */
const serviceAccountOf = (token: string): GcsCredentials | undefined => {
  try {
    const value = JSON.parse(token) as Readonly<Record<string, unknown>> | null;
    const { client_email: email, private_key: key } = value ?? {};
    return typeof email === 'string' && typeof key === 'string' ? { type: 'service-account', json: token } : undefined;
  } catch {
    return undefined;
  }
};

const credentialsFor = (artifact: Artifact, use: LocateContext): GcsCredentials => {
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
    'the artifact has no credentials; expected jwt with a service account, or ALLOW_RUNNER_CREDENTIALS',
  );
};

/** Where a `gs://` artifact is. Members `bucket` and `key` win over the path. Errors: AttemptError. */
export const locateGcs = (artifact: Artifact, qualified: string, use: LocateContext): ObjectLocation => {
  const [, first = '', rest = ''] = /^gs:\/\/([^/@?#]+)(?:\/(.*))?$/s.exec(qualified) ?? [];
  const bucket = artifact.bucket || first;
  const key = artifact.key || rest;
  if (first === '' || key === '') throw invalidLocation(artifact, 'expected gs://bucket/key');
  return { store: createGcsStore({ bucket, credentials: credentialsFor(artifact, use) }), key };
};
