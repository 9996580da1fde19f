import http from 'node:http';
import https from 'node:https';
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import type { Credentials } from '../../model/experiment.ts';
import type * as Sdk from './sdk.ts';
import { Sha256 } from './sha256.ts';
import type { S3Tls } from './tls.ts';
import { createKeptClients } from '../kept-clients.ts';

/** How requests are signed: with keys, not at all, or with what the runner's own AWS chain finds (role, profile, environment). */
export type S3Credentials =
  Extract<Credentials, { type: 'aws' }> | { readonly type: 'anonymous' } | { readonly type: 'runner' };

/** What a client is made for. */
export interface S3ClientOptions {
  /** `http(s)://host[:port]`, addressed path style; undefined: AWS itself. */
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly credentials: S3Credentials;
  /** Authorities and a certificate of the runner's own; undefined: the system's authorities, and none. */
  readonly tls?: S3Tls | undefined;
  /** Time to connect, ms. */
  readonly connectMs: number;
  /** Time without any data, ms. */
  readonly idleMs: number;
}

// One pool of connections for all clients, by address. Idle ones hold no process up, and are closed after 30 s.
const settings = { keepAlive: true, maxSockets: 64, maxFreeSockets: 64, scheduling: 'lifo', timeout: 30_000 } as const;
const httpAgent = new http.Agent(settings);
/** By the id of their S3Tls, of which a process has one at most. */
const httpsAgents = new Map<string, https.Agent>();
const httpsAgentFor = (tls: S3Tls | undefined): https.Agent => {
  const id = tls?.id ?? '';
  const agent = httpsAgents.get(id) ?? new https.Agent({ ...settings, ...(tls ? { secureContext: tls.context } : {}) });
  httpsAgents.set(id, agent);
  return agent;
};

/** Let go of every connection that no call uses. */
export const closeConnections = (): void => {
  for (const agent of [httpAgent, ...httpsAgents.values()]) {
    for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }
};

/** The runner's own chain, which remembers what it found until that expires. */
const findRunnerCredentials = async () =>
  (await import('@aws-sdk/credential-provider-node')).defaultProvider({ ignoreCache: true });
let runnerCredentials: ReturnType<typeof findRunnerCredentials> | undefined;

/** Settings that say who asks. An anonymous client has a signer that signs nothing. */
const identity = async (credentials: S3Credentials): Promise<Pick<S3ClientConfig, 'credentials' | 'signer'>> => {
  switch (credentials.type) {
    case 'anonymous':
      return {
        credentials: { accessKeyId: '', secretAccessKey: '' },
        signer: { sign: request => Promise.resolve(request) },
      };
    case 'runner':
      return { credentials: await (runnerCredentials ??= findRunnerCredentials()) };
    case 'aws':
      return {
        credentials: {
          accessKeyId: credentials.accessKey,
          secretAccessKey: credentials.secretAccessKey,
          ...(credentials.sessionToken ? { sessionToken: credentials.sessionToken } : {}),
        },
      };
  }
};

/**
 * Steps of the SDK that this driver does without: headers that only tell about the caller, retries (storage/retry.ts does
 * them), and logging.
 */
const unneeded = [
  'getUserAgentMiddleware',
  'recursionDetectionMiddleware',
  'loggerMiddleware',
  'regionRedirectMiddleware',
  's3ExpressMiddleware',
];

let loaded: Promise<typeof Sdk> | undefined;

/** The SDK, loaded with the first call. */
export const loadSdk = (): Promise<typeof Sdk> => (loaded ??= import('./sdk.ts'));

const create = async (options: S3ClientOptions): Promise<S3Client> => {
  const sdk = await loadSdk();
  const { endpoint, region, credentials, tls, connectMs, idleMs } = options;
  const httpsAgent = httpsAgentFor(tls);
  const client = new sdk.S3Client({
    region,
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(await identity(credentials)),
    sha256: Sha256,
    requestHandler: { httpAgent, httpsAgent, connectionTimeout: connectMs, socketTimeout: idleMs },
    // The SHA-256 of each body is part of its request's signature, so a server finds damage without a second checksum.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Each of these would be looked for in the environment and the files of the AWS tools, which are the runner's own affair.
    authSchemePreference: [],
    defaultsMode: 'standard',
    disableS3ExpressSessionAuth: true,
    ignoreConfiguredEndpointUrls: true,
    maxAttempts: 1,
    retryMode: 'standard',
    sigv4aSigningRegionSet: [],
    useArnRegion: false,
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    userAgentAppId: '',
  });
  for (const name of unneeded) client.middlewareStack.remove(name);
  // Others have their places by this one: it stays as a step that does nothing.
  client.middlewareStack.add(next => next, {
    name: 'retryMiddleware',
    step: 'finalizeRequest',
    priority: 'high',
    override: true,
  });
  // The SDK makes a signer anew for each request; all of a client's requests are signed alike.
  const makeSigner = client.config.signer;
  let signer: ReturnType<typeof makeSigner> | undefined;
  client.config.signer = scheme => (signer ??= makeSigner(scheme));
  return client;
};

/** Clients that are kept; a runner meets few endpoints, but as many credentials as it has users. */
const kept = createKeptClients<S3Client>(64);

/** The client for an endpoint, a region and credentials: made once, kept while it is among those used last. */
export const clientFor = (options: S3ClientOptions): Promise<S3Client> =>
  kept.get(JSON.stringify({ ...options, tls: options.tls?.id }), () => create(options));

/** Let go of what the runner's own chain found, and of a client that used it: the next one asks the chain anew. */
export const forgetRunnerCredentials = (client: Promise<S3Client>): void => {
  runnerCredentials = undefined;
  kept.forget(client);
};
