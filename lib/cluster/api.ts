import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';

/** How a pod reaches the API of its cluster. */
export interface ClusterApi {
  readonly url: string;
  /** Holds the token, which is renewed there, and the authority of the API's certificate. */
  readonly credentials: string;
}

/** Where Kubernetes mounts the credentials of a pod's service account. Source: "Accessing the Kubernetes API from a Pod". */
const mounted = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The cluster that this process is a pod of; undefined where it is none, or was given no token. */
export const ownCluster = (env: NodeJS.ProcessEnv, credentials = mounted): ClusterApi | undefined => {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env;
  if (!host || !existsSync(join(credentials, 'token'))) return undefined;
  return { url: `https://${host.includes(':') ? `[${host}]` : host}:${port}`, credentials };
};

/** An answer of the API that is no success. */
export class ClusterError extends Error {
  override readonly name = 'ClusterError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const connectMs = 10_000;
const mostErrorBytes = 4096;

const messageIn = async (answer: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const chunk of answer) if (text.length < mostErrorBytes) text += String(chunk);
  try {
    return String((JSON.parse(text) as { message?: unknown }).message ?? text);
  } catch {
    return text.trim();
  }
};

/**
 * Ask the API; the body as it comes.
 * @param idleMs without any data for so long the call has failed
 * Errors: ClusterError; those of the connection and of the files; the signal's reason.
 */
export const get = async (
  api: ClusterApi,
  path: string,
  { signal, idleMs }: { readonly signal: AbortSignal; readonly idleMs: number },
): Promise<IncomingMessage> => {
  const [token, ca] = await Promise.all([
    readFile(join(api.credentials, 'token'), 'utf8'),
    readFile(join(api.credentials, 'ca.crt')),
  ]);
  const headers = { authorization: `Bearer ${token.trim()}`, accept: 'application/json' };
  const options: RequestOptions = { headers, ca, signal, timeout: connectMs };
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const asked = request(new URL(path, api.url), options, resolve);
    asked.on('timeout', () => asked.destroy(new Error('the API of the cluster does not answer')));
    asked.on('error', reject);
    asked.on('socket', socket => {
      if (asked.reusedSocket) asked.setTimeout(idleMs);
      else socket.once('secureConnect', () => asked.setTimeout(idleMs));
    });
    asked.end();
  });
  const status = answer.statusCode ?? 0;
  if (status === 200) return answer;
  throw new ClusterError(status, `${String(status)}: ${await messageIn(answer)}`);
};
