import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf } from '../errors.ts';
import type { ListenAddress } from './address.ts';

/** What a route says: to programs that accept JSON the one, to people the other. */
export interface Answer {
  /** Default: 200. */
  readonly status?: number;
  readonly json: unknown;
  readonly text: string;
}

export interface Route {
  readonly method: 'GET' | 'POST';
  /** `/why/:queue`; a part with a colon stands for any one part. */
  readonly path: string;
  /** Anybody may ask, whether there is a token or not: for probes of a cluster. */
  readonly open?: true;
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

  const answerTo = async (request: IncomingMessage): Promise<Answer> => {
    const parts = partsOf(request.url ?? '/');
    if (!parts) return plain(400, 'the path is not well-formed');
    const found = routes.flatMap(route => {
      const params = match(route, parts);
      return params ? [{ route, params }] : [];
    });
    const meant = found.find(({ route }) => route.method === request.method);
    // Whether something is there is not told to who may not ask.
    if (!meant?.route.open && !mayAsk(request)) return plain(401, 'expected the bearer token of STATUS_TOKEN');
    if (!meant)
      return found.length > 0 ? plain(405, 'another method is expected') : plain(404, 'there is nothing here');
    return meant.route.answer(meant.params);
  };

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    request.resume();
    const {
      status = 200,
      json,
      text,
    } = await answerTo(request).catch((error: unknown) => plain(500, messageOf(error)));
    const asJson = request.headers.accept?.includes('application/json') === true;
    response.writeHead(status, {
      'content-type': asJson ? 'application/json' : 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    });
    response.end(asJson ? JSON.stringify(json) : `${text}\n`);
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
