import http from 'node:http';
import https from 'node:https';
import type { S3Endpoint } from './endpoint.ts';

/** Time to connect, and time without any progress on a connection. */
export interface ExchangeTimes {
  readonly connectMs: number;
  readonly idleMs: number;
}

/** One request, ready to be sent. */
export interface Exchange {
  readonly endpoint: S3Endpoint;
  readonly method: string;
  /** Path and query, encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
  readonly signal: AbortSignal | undefined;
}

// One pool of connections for all stores, by address. Idle ones hold no process up, and are closed after 30 s.
const settings = { keepAlive: true, maxSockets: 64, maxFreeSockets: 64, scheduling: 'lifo', timeout: 30_000 } as const;
const httpAgent = new http.Agent(settings);
const httpsAgent = new https.Agent(settings);

/** Let go of every connection that no call uses. */
export const closeConnections = (): void => {
  for (const agent of [httpAgent, httpsAgent]) {
    for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }
};

const timedOut = (words: string): Error => Object.assign(new Error(words), { code: 'ETIMEDOUT' });

/** Give up on a connection that does not come to stand in time. */
const limitConnecting = (request: http.ClientRequest, ms: number): void => {
  request.once('socket', socket => {
    if (!socket.connecting) return;
    const timer = setTimeout(() => {
      request.destroy(timedOut(`no connection within ${String(ms)} ms`));
    }, ms);
    const clear = () => {
      clearTimeout(timer);
    };
    socket.once('connect', clear).once('close', clear);
  });
};

/**
 * Send a request, resolve with the reply's head; its body is the caller's to read or destroy.
 * Errors: the signal's reason; what Node says of the connection, with `reusedSocket` where it was an old one that the server
 * had closed meanwhile: nothing of a reply came then.
 */
export const exchange = (
  { endpoint, method, path, headers, body, signal }: Exchange,
  { connectMs, idleMs }: ExchangeTimes,
): Promise<http.IncomingMessage> =>
  new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const secure = endpoint.protocol === 'https:';
    const request = (secure ? https : http).request({
      agent: secure ? httpsAgent : httpAgent,
      host: endpoint.hostname,
      port: endpoint.port,
      method,
      path,
      headers,
    });
    const onAbort = () => {
      request.destroy(signal?.reason as Error);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    const done = () => signal?.removeEventListener('abort', onAbort);
    limitConnecting(request, connectMs);
    request.setTimeout(idleMs, () => {
      request.destroy(timedOut(`no data for ${String(idleMs)} ms`));
    });
    request.once('response', resolve).once('close', done);
    request.on('error', error => {
      reject(request.reusedSocket && !signal?.aborted ? Object.assign(error, { reusedSocket: true }) : error);
    });
    request.end(body);
  });
