import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import type { Test } from 'tap';

/** Where the client keeps artifacts and metadata; buckets are made where they are missing. */
export type ClientStore = { readonly bucket: string; readonly metadataBucket: string } & (
  | { readonly type: 's3'; readonly endpoint: string; readonly accessKey: string; readonly secretKey: string }
  | { readonly type: 'local'; readonly directory: string }
);

export interface ClientExperiment {
  /** The client makes one of the time and a UUID where it isn't given. */
  readonly key?: string;
  readonly project?: string;
  /** Directory with the program, and the program's name in it. */
  readonly workspace: string;
  readonly filename: string;
  /** As a person means them; the client quotes each. */
  readonly args?: readonly string[];
  readonly requirements?: readonly string[];
  readonly pythonver?: string;
  readonly resources?: Readonly<Record<string, string | number>>;
  readonly maxDuration?: string;
  /** More immutable artifacts: label to local path. A single file is packed as the client does it, under `./NAME`. */
  readonly inputs?: Readonly<Record<string, string>>;
  readonly mutable: readonly string[];
}

interface ClientSession {
  /** Python of an environment with studioml-cs: TEST_CLIENT_PYTHON. */
  readonly python: string;
  /** STUDIOML_HOME: the client's caches, and its local queues under `queue`. */
  readonly home: string;
  readonly store: ClientStore;
}

export interface Submission extends ClientSession {
  /** `rmq_*` goes to the broker, `local*` to a directory under `home`. */
  readonly queue: string;
  readonly amqpUrl?: string;
  /** Merged into the request's `config`: env, pip, experimentLifetime, saveWorkspaceFrequency, runner. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly experiments: readonly ClientExperiment[];
}

export interface Collection extends ClientSession {
  readonly keys: readonly string[];
  /** Where the artifacts go; it should not exist or be empty. */
  readonly directory: string;
}

export interface Stop extends ClientSession {
  readonly key: string;
}

export interface Collected {
  /** As the client's metadata store has it; null when it knows no such experiment. */
  readonly status: string | null;
  /** Seconds since the epoch, as the client reads them. */
  readonly times?: Readonly<Record<'added' | 'started' | 'last_checkpoint' | 'finished', number | null>>;
  /** Where each artifact was unpacked, by label; null when the store has no such object. */
  readonly artifacts: Readonly<Record<string, string | null>>;
}

/** The mutable artifacts that the real client sends with each experiment. */
export const usualOutputs = ['modeldir', 'retval', 'output', 'tb', '_metadata'] as const;

/** The S3 store that a `http://KEY:SECRET@HOST:PORT` names. */
export const s3ClientStore = (s3Url: string, bucket: string): ClientStore => {
  const url = new URL(s3Url);
  const [accessKey, secretKey] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  return { type: 's3', endpoint: url.origin, accessKey, secretKey, bucket, metadataBucket: `${bucket}-meta` };
};

/** Submit with the client's own classes: uploads the artifacts, then publishes (through the broker, about a second each).
 *  Out: the experiments' keys, in order. Errors: the client's own, with what it printed. */
export const submit = async (t: Test, spec: Submission): Promise<readonly string[]> => {
  const answer = (await runClient(t, 'submit.py', spec)) as { keys: string[] };
  return answer.keys;
};

/** Download every artifact of experiments with the client's own classes. Errors: the client's own, with what it printed. */
export const collect = async (t: Test, spec: Collection): Promise<Readonly<Record<string, Collected>>> =>
  (await runClient(t, 'collect.py', spec)) as Record<string, Collected>;

/** Stop an experiment with the client's own database provider. Errors: the client's own, with what it printed. */
export const stopExperiment = async (t: Test, spec: Stop): Promise<void> => {
  await runClient(t, 'stop.py', spec);
};

export const runClient = async <T extends Pick<ClientSession, 'python' | 'home'>>(
  t: Test,
  script: string,
  { python, home, ...input }: T,
): Promise<unknown> => {
  const child = spawn(python, [path.join(import.meta.dirname, '../client', script)], {
    env: { ...process.env, STUDIOML_HOME: home, HOME: home, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: 120_000,
    killSignal: 'SIGKILL',
  });
  t.teardown(() => child.kill('SIGKILL'));
  child.stdin.on('error', () => {}).end(JSON.stringify(input)); // a client that ends early tells why on stderr
  const [stdout, stderr, [code, signal]] = await Promise.all([
    buffer(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>,
  ]);
  if (code !== 0) throw new Error(`${script} ended with ${code ?? signal}:\n${stderr}`);
  return JSON.parse(stdout.toString());
};
