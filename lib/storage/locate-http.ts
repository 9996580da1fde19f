import type { Artifact } from '../model/experiment.ts';
import { createHttpStore, keyOfUrl, type HttpCredentials } from './http/http.ts';
import { deniedLocation, invalidLocation } from './locate-context.ts';
import type { ObjectLocation } from './object-store.ts';

/** Its own, else those in the address; without any it is asked for as anybody may. */
const credentialsFor = (artifact: Artifact, url: URL): HttpCredentials => {
  const own = artifact.credentials;
  if (own?.type === 'aws') {
    throw deniedLocation(artifact, 'credentials of the kind aws do not open http(s)://; expected plain or jwt');
  }
  if (own) return own;
  if (url.username === '') return { type: 'anonymous' };
  return { type: 'plain', user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
};

/** Where an `http(s)://` artifact is. It can only be read. Errors: AttemptError. */
export const locateHttp = (artifact: Artifact, qualified: string): ObjectLocation => {
  if (!URL.canParse(qualified)) throw invalidLocation(artifact, 'expected http(s)://host/path');
  // Said before an experiment runs that could not be stored.
  if (artifact.mutable) throw invalidLocation(artifact, 'http(s):// can only be read, and the artifact is mutable');
  const url = new URL(qualified);
  const credentials = credentialsFor(artifact, url);
  url.username = '';
  url.password = '';
  return { store: createHttpStore({ url, credentials }), key: keyOfUrl(url) };
};
