import { shellQuote } from './shquote.ts';

/** Where a built request keeps its artifacts: a bucket of an S3 store, or a directory with one subdirectory a bucket. */
export interface RequestStore {
  /** `http://host:port`, or an absolute directory. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly databaseBucket: string;
  /** Absent for a directory. */
  readonly credentials?: { readonly aws: { readonly access_key: string; readonly secret_access_key: string } };
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

const mutableLabels = ['modeldir', 'output', 'tb', 'retval', '_metadata'];

/**
 * A clear-text request as the StudioML client sends it: a workspace and five mutable artifacts that are not there yet.
 * Source: spec "Clear-text request".
 */
export const buildRequest = (parts: RequestParts): Record<string, unknown> => {
  const { store } = parts;
  const remote = store.credentials !== undefined;
  const where = remote
    ? `s3://${new URL(store.endpoint).host}/${store.bucket}`
    : `file://${store.endpoint}/${store.bucket}`;
  const artifact = (key: string, mutable: boolean) => ({
    unpack: true,
    mutable,
    key,
    qualified: `${where}/${key}`,
    ...(remote ? { bucket: store.bucket, credentials: store.credentials } : {}),
  });
  const config = (bucket: string) => ({
    type: remote ? 's3' : 'local',
    endpoint: store.endpoint,
    bucket,
    ...(remote ? { credentials: store.credentials } : {}),
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
