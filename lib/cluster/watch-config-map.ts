import { pipeline } from 'node:stream';
import { text } from 'node:stream/consumers';
import split from 'split2';
import { asError } from '../errors.ts';
import { sleep } from '../flow/wait.ts';
import { ClusterError, get, type ClusterApi } from './api.ts';

export interface ConfigMapWatch {
  readonly api: ClusterApi;
  readonly namespace: string;
  readonly name: string;
  /** Its members by name; undefined where there is no such map, or none any more. Heard at the start, and at each change. */
  readonly onMap: (data: Readonly<Record<string, string>> | undefined) => void;
  /** Heard once until it works again. What was heard last stands. */
  readonly onTrouble: (error: Error, retryMs: number) => void;
  readonly onWell?: () => void;
  readonly signal: AbortSignal;
  /** Until the first further try, ms. */
  readonly firstRetryMs?: number;
}

/** The API ends a watch after this long by itself, s; a connection that says nothing for longer than its bookmarks is dead. */
const watchSeconds = 300;
const idleMs = 120_000;
const askMs = 15_000;
const maxRetryMs = 60_000;
const gone = 410;

interface ConfigMap {
  readonly metadata: { readonly resourceVersion: string };
  readonly data?: Readonly<Record<string, string>>;
}
interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: ConfigMap & { readonly code?: number; readonly message?: string };
}

/**
 * Follow one ConfigMap: a list says what there is, a watch from there on what becomes of it. A version that is too old is listed
 * anew, a connection that ends is made anew, from where it was.
 * Resolves when the signal aborts. Errors: none.
 * Source: Kubernetes API concepts, "Efficient detection of changes".
 */
export const watchConfigMap = async (watch: ConfigMapWatch): Promise<void> => {
  const { api, namespace, name, onMap, onTrouble, onWell, signal, firstRetryMs = 1000 } = watch;
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps`;
  const only = `fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}`;
  let version: string | undefined;
  let told = false;
  let retryMs = firstRetryMs;
  const well = () => {
    retryMs = firstRetryMs;
    if (told) onWell?.();
    told = false;
  };

  const list = async (): Promise<string> => {
    const body = await text(await get(api, `${path}?${only}`, { signal, idleMs: askMs }));
    const { items, metadata } = JSON.parse(body) as {
      items: readonly ConfigMap[];
      metadata: { resourceVersion: string };
    };
    well();
    onMap(items[0] && (items[0].data ?? {}));
    return metadata.resourceVersion;
  };
  const hear = ({ type, object }: WatchEvent) => {
    if (type === 'ERROR') throw new ClusterError(object.code ?? 0, object.message ?? 'the watch failed');
    version = object.metadata.resourceVersion;
    if (type === 'DELETED') onMap(undefined);
    else if (type !== 'BOOKMARK') onMap(object.data ?? {});
  };
  const follow = async (from: string): Promise<void> => {
    const query = `${only}&watch=1&allowWatchBookmarks=true&timeoutSeconds=${String(watchSeconds)}&resourceVersion=${from}`;
    const body = await get(api, `${path}?${query}`, { signal, idleMs });
    well();
    // Not `pipe`, which would leave the lines open for ever when the connection breaks.
    const lines = pipeline(body, split(), () => undefined);
    for await (const line of lines) hear(JSON.parse(String(line)) as WatchEvent);
  };

  while (!signal.aborted) {
    try {
      version ??= await list();
      await follow(version);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ClusterError && error.status === gone) {
        version = undefined;
        continue;
      }
      // What changes meanwhile is listed, should the version be too old by then.
      if (error instanceof ClusterError) version = undefined;
      if (!told) onTrouble(asError(error), retryMs);
      told = true;
      await sleep(retryMs, signal).catch(() => undefined);
      retryMs = Math.min(retryMs * 2, maxRetryMs);
    }
  }
};
