import type { ResourceRequest } from './resources.ts';

/** How to get at a store. One of the kinds that a client sends. */
export type Credentials =
  | { readonly type: 'anonymous' }
  | { readonly type: 'plain'; readonly user: string; readonly password: string }
  | { readonly type: 'jwt'; readonly token: string }
  | {
      readonly type: 'aws';
      readonly accessKey: string;
      readonly secretAccessKey: string;
      readonly region?: string;
      readonly sessionToken?: string;
    };

/** One input or output of an experiment. Label, key and local path come from the client: never a path or shell word as they are. */
export interface Artifact {
  readonly label: string;
  readonly mutable: boolean;
  readonly unpack: boolean;
  readonly bucket?: string;
  readonly key?: string;
  /** Where it is: `s3://host/bucket/key`, `file:///path`, `http(s)://…`, `gs://bucket/key`, `dockerhub://image`, `shub://image`. */
  readonly qualified?: string;
  readonly url?: string;
  readonly hash?: string;
  /** Absent: the request says nothing. */
  readonly credentials?: Credentials;
  /** Between checkpoints of this artifact. */
  readonly saveFrequencyMs?: number;
}

/** A store named in the config: the metadata store (`database`) or the default storage. */
export interface StoreConfig {
  readonly type?: string;
  readonly endpoint?: string;
  readonly bucket?: string;
  readonly projectId?: string;
  readonly credentials?: Credentials;
}

/** A request once opened and checked. `raw` is the parsed JSON as it came, unknown members included. */
export interface Request {
  readonly key: string;
  /** Python file inside the workspace, or `-m`. Absent with a container: the image's own entry point. */
  readonly filename?: string;
  /** As the program gets them: the client's shell quoting is already undone. */
  readonly args: readonly string[];
  /** As asked, `3` or `3.11`; absent: any. */
  readonly pythonVersion?: string;
  readonly requirements: readonly string[];
  /** From config.pip, installed after `requirements`. */
  readonly extraRequirements: readonly string[];
  readonly maxDurationMs?: number;
  /** Counted from `timeAddedSeconds`. */
  readonly lifetimeMs?: number;
  readonly timeAddedSeconds?: number;
  readonly resources: ResourceRequest;
  readonly project?: string;
  readonly projectVersion?: string;
  readonly projectExperiment?: string;
  readonly author?: string;
  readonly artifacts: ReadonlyMap<string, Artifact>;
  readonly env: Readonly<Record<string, string>>;
  /** Between checkpoints, as asked; absent: at the end only. */
  readonly saveWorkspaceFrequencyMs?: number;
  readonly database?: StoreConfig;
  readonly storage?: StoreConfig;
  readonly slackDestination?: string;
  readonly raw: Readonly<Record<string, unknown>>;
}
