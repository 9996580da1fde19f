import { shellQuote } from './shquote.ts';

/** Credentials as requests carry them. */
export type RequestCredentials =
  | { readonly aws: { readonly access_key: string; readonly secret_access_key: string } }
  | { readonly jwt: { readonly token: string } };

/** Where a built request keeps its artifacts: a bucket of S3 or Cloud Storage, or a directory with one subdirectory a bucket. */
export interface RequestStore {
  /** `http(s)://host:port` of S3, `gs://` for Cloud Storage, or an absolute directory. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly databaseBucket: string;
  /** Absent for a directory, and where the runner's own are used. */
  readonly credentials?: RequestCredentials;
}

/** What a request is built from. Sizes as people write them. */
export interface RequestParts {
  readonly key: string;
  readonly filename: string;
  readonly args?: readonly string[];
  readonly requirements?: readonly string[];
  readonly pythonVersion?: string;
  readonly project?: string;
  /** Key of the packed workspace in the store's bucket. */
  readonly workspaceKey: string;
  readonly store: RequestStore;
  readonly resources?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly maxDuration?: string;
  readonly lifetime?: string;
  /** What the keys of its results begin with. Default: experiments. */
  readonly prefix?: string;
  readonly timeAddedMs: number;
}

/** Types of stores as the client names them. Source: spec "Clear-text request", config.database. */
type StoreType = 's3' | 'gs' | 'local';
const typeOf = ({ endpoint }: RequestStore): StoreType =>
  endpoint.startsWith('gs:') ? 'gs' : endpoint.startsWith('http') ? 's3' : 'local';
const placeOf = ({ endpoint, bucket }: RequestStore, type: StoreType): string => {
  if (type === 'gs') return `gs://${bucket}`;
  return type === 's3' ? `s3://${new URL(endpoint).host}/${bucket}` : `file://${endpoint}/${bucket}`;
};

const mutableLabels = ['modeldir', 'output', 'tb', 'retval', '_metadata'];

/**
 * A clear-text request as the StudioML client sends it: a workspace and five mutable artifacts that are not there yet.
 * Source: spec "Clear-text request".
 */
export const buildRequest = (parts: RequestParts): Record<string, unknown> => {
  const { store } = parts;
  const type = typeOf(store);
  const where = placeOf(store, type);
  const credentials = store.credentials === undefined ? {} : { credentials: store.credentials };
  const artifact = (key: string, mutable: boolean) => ({
    unpack: true,
    mutable,
    key,
    qualified: `${where}/${key}`,
    ...(type === 'local' ? {} : { bucket: store.bucket }),
    ...credentials,
  });
  const config = (bucket: string) => ({
    type,
    ...(type === 'gs' ? {} : { endpoint: store.endpoint }),
    bucket,
    ...credentials,
  });
  return {
    experiment: {
      key: parts.key,
      filename: parts.filename,
      args: (parts.args ?? []).map(shellQuote),
      pythonenv: parts.requirements ?? [],
      pythonver: parts.pythonVersion ?? '3',
      project: parts.project ?? null,
      resources_needed: parts.resources ?? { cpus: 1, gpus: 0, ram: '128mb', hdd: '128mb' },
      status: 'waiting',
      time_added: parts.timeAddedMs / 1000,
      max_duration: parts.maxDuration ?? '20m',
      artifacts: {
        workspace: artifact(parts.workspaceKey, false),
        ...Object.fromEntries(
          mutableLabels.map(label => [
            label,
            artifact(`${parts.prefix ?? 'experiments'}/${parts.key}/${label}.tar`, true),
          ]),
        ),
      },
    },
    config: {
      database: config(store.databaseBucket),
      storage: config(store.bucket),
      experimentLifetime: parts.lifetime ?? '30m',
      saveWorkspaceFrequency: '2m',
      env: parts.env ?? {},
    },
  };
};
