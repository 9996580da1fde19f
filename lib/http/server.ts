import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { messageOf } from '../errors.ts';
import type { ListenAddress } from './address.ts';

/**
 * What a route says:
 * - `json` and `text`: to programs that accept JSON the one, to people the other
 * - `body`: always as it is, of this type; a stream is sent as it comes, for as long as the asker listens
 */
export type Answer =
  | {
      /** Default: 200. */
      readonly status?: number;
      readonly json: unknown;
      readonly text: string;
    }
  | { readonly status?: number; readonly type: string; readonly body: string | AsyncIterable<Uint8Array> };

export interface Route {
  readonly method: 'GET' | 'POST';
  /** `/why/:queue`; a part with a colon stands for any one part. */
  readonly path: string;
  /** Anybody may ask, whether there is a token or not: for probes of a cluster. */
  readonly open?: true;
  /** It shows or changes what belongs to somebody: without a token only this machine may ask. */
  readonly guarded?: true;
  readonly answer: (params: Readonly<Record<string, string>>) => Answer | Promise<Answer>;
}

export interface HttpSettings {
  readonly address: ListenAddress;
  readonly routes: readonly Route[];
  /** Bearer token that is asked for; undefined: none. */
  readonly token: string | undefined;
}

export interface HttpServer {
  readonly address: ListenAddress;
  close(): Promise<void>;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The parameters of a path where it is the route's; undefined where not. */
const match = (route: Route, parts: readonly string[]): Record<string, string> | undefined => {
  const wanted = route.path.split('/').slice(1);
  if (wanted.length !== parts.length) return undefined;
  const params: [string, string][] = [];
  for (const [index, part] of wanted.entries()) {
    const found = parts[index] ?? '';
    if (part.startsWith(':')) params.push([part.slice(1), found]);
    else if (part !== found) return undefined;
  }
  return Object.fromEntries(params);
};

const plain = (status: number, text: string): Answer => ({ status, json: { error: text }, text });

const partsOf = (url: string): string[] | undefined => {
  try {
    return new URL(url, 'http://runner').pathname.split('/').slice(1).map(decodeURIComponent);
  } catch {
    return undefined;
  }
};

/**
 * A small HTTP server over a table of routes. A route that throws answers 500; nothing that is asked ends the runner.
 * Errors: those of listening (EADDRINUSE).
 */
export const startHttp = async ({ address, routes, token }: HttpSettings): Promise<HttpServer> => {
  const wanted = token === undefined ? undefined : digest(`Bearer ${token}`);
  const mayAsk = (request: IncomingMessage): boolean =>
    wanted === undefined || timingSafeEqual(wanted, digest(request.headers.authorization ?? ''));

  /** A page in a browser on this machine is not this machine's own. */
  const isLocal = (request: IncomingMessage): boolean =>
    request.headers.origin === undefined && /^(::ffff:)?127\.|^::1$/.test(request.socket.remoteAddress ?? '');

  const answerTo = async (request: IncomingMessage): Promise<Answer> => {
    const parts = partsOf(request.url ?? '/');
    if (!parts) return plain(400, 'the path is not well-formed');
    const found = routes.flatMap(route => {
      const params = match(route, parts);
      return params ? [{ route, params }] : [];
    });
    // Some probes only ask for the head of what GET gives.
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const meant = found.find(({ route }) => route.method === method);
    // Whether something is there is not told to who may not ask.
    if (!meant?.route.open && !mayAsk(request)) return plain(401, 'expected the bearer token of STATUS_TOKEN');
    if (!meant)
      return found.length > 0 ? plain(405, 'another method is expected') : plain(404, 'there is nothing here');
    if (meant.route.guarded && wanted === undefined && !isLocal(request))
      return plain(403, 'without STATUS_TOKEN only the machine of the runner may ask this');
    return meant.route.answer(meant.params);
  };

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    request.resume();
    const answer = await answerTo(request).catch((error: unknown) => plain(500, messageOf(error)));
    const { status = 200 } = answer;
    const asJson = request.headers.accept?.includes('application/json') === true;
    const type = 'type' in answer ? answer.type : asJson ? 'application/json' : 'text/plain; charset=utf-8';
    response.writeHead(status, {
      'content-type': type,
      'cache-control': 'no-store',
      ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    });
    if (request.method === 'HEAD') response.end();
    else if (!('body' in answer)) response.end(asJson ? JSON.stringify(answer.json) : `${answer.text}\n`);
    else if (typeof answer.body === 'string') response.end(answer.body);
    else {
      response.flushHeaders();
      await pipeline(answer.body, response);
    }
  };

  const server = createServer((request, response) => {
    void respond(request, response).catch(() => response.destroy());
  });
  server.listen({ port: address.port, ...(address.host === undefined ? {} : { host: address.host }) });
  await once(server, 'listening');
  // It never keeps a runner alive that has nothing else to do.
  server.unref();
  const { port } = server.address() as AddressInfo;
  return {
    address: { host: address.host, port },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
};
