import type * as Gcs from '@google-cloud/storage';
import type { Storage, StorageOptions } from '@google-cloud/storage';
import { createKeptClients } from '../kept-clients.ts';

/** Who asks: a service account, nobody, or the runner with application default credentials. */
export type GcsCredentials =
  | { readonly type: 'service-account'; readonly json: string }
  | { readonly type: 'anonymous' }
  | { readonly type: 'runner' };

export interface GcsClientOptions {
  readonly credentials: GcsCredentials;
  /** `http(s)://host:port` instead of Google's, or of what STORAGE_EMULATOR_HOST says. Credentials are shown to it. */
  readonly endpoint: string | undefined;
}

interface ServiceAccount {
  readonly client_email: string;
  readonly private_key: string;
  readonly private_key_id?: string;
}

/** A service account as Google's JSON has it; undefined where the text is none. */
export const serviceAccountOf = (text: string): GcsCredentials | undefined => {
  try {
    const value = JSON.parse(text) as Readonly<Record<string, unknown>> | null;
    const { client_email: email, private_key: key } = value ?? {};
    return typeof email === 'string' && typeof key === 'string' ? { type: 'service-account', json: text } : undefined;
  } catch {
    return undefined;
  }
};

const scopes = ['https://www.googleapis.com/auth/devstorage.full_control'];
const emulator = 'STORAGE_EMULATOR_HOST';

let loaded: Promise<typeof Gcs> | undefined;

/** Google's client, loaded with the first call. */
export const loadGcs = (): Promise<typeof Gcs> => (loaded ??= import('@google-cloud/storage'));

/** Who asks, as the client wants it; the runner's own credentials are looked for by the client. */
const identity = async (credentials: GcsCredentials): Promise<Pick<StorageOptions, 'authClient'>> => {
  if (credentials.type === 'runner') return {};
  const { JWT, PassThroughClient } = await import('google-auth-library');
  if (credentials.type === 'anonymous') return { authClient: new PassThroughClient() };
  const {
    client_email: email,
    private_key: key,
    private_key_id: keyId,
  } = JSON.parse(credentials.json) as ServiceAccount;
  const client = new JWT({ email, key, scopes, ...(keyId === undefined ? {} : { keyId }) });
  // It signs its own tokens, which Cloud Storage takes: nobody has to be asked for one first.
  client.useJWTAccessWithScope = true;
  return { authClient: client };
};

const create = async ({ credentials, endpoint }: GcsClientOptions): Promise<Storage> => {
  const { Storage: Client } = await loadGcs();
  const who = await identity(credentials);
  // The client takes this variable for the address of the API less its path; as an endpoint it means what it says.
  const said = process.env[emulator];
  Reflect.deleteProperty(process.env, emulator);
  try {
    const apiEndpoint = endpoint ?? said;
    return new Client({
      ...who,
      ...(apiEndpoint === undefined ? {} : { apiEndpoint }),
      // An emulator asks for no credentials.
      ...(endpoint === undefined ? {} : { useAuthWithCustomEndpoint: true }),
      // storage/retry.ts does it, and tells.
      retryOptions: { autoRetry: false },
    });
  } finally {
    if (said !== undefined) process.env[emulator] = said;
  }
};

const kept = createKeptClients<Storage>(32);

/** The client for these credentials: made once, kept while it is among those used last. */
export const gcsClientFor = (options: GcsClientOptions): Promise<Storage> =>
  kept.get(JSON.stringify(options), () => create(options));
