import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { Test } from 'tap';
import { shortTemporary } from './short-temporary.ts';

/** A request as a test sees it: `POST /images/load`, without its query. */
type Answer = (line: string, response: ServerResponse) => boolean | Promise<boolean>;

export interface FakeEngine {
  readonly socketPath: string;
  /** What names stand for. */
  readonly names: Map<string, string>;
  /** Requests so far. */
  readonly seen: string[];
  /** Asked first: whether it has answered, or keeps silent. */
  answer: Answer;
}

const full = (name: string): string => (name.includes(':') ? name : `${name}:latest`);

/**
 * The part of a container engine that knows images by names. An archive that is loaded is `NAME=ID` or text that is no image; what is
 * pulled has the id `pulled`. Source: Docker Engine API, Image.
 */
export const startFakeEngine = async (t: Test): Promise<FakeEngine> => {
  const names = new Map<string, string>();
  const seen: string[] = [];
  /** Those without a name too. */
  const ids = new Set<string>();
  const idOf = (image: string) => names.get(image) ?? (ids.has(image) ? image : undefined);
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://engine');
    const line = `${request.method ?? ''} ${decodeURIComponent(url.pathname)}`;
    const body = await buffer(request);
    seen.push(line);
    for (const id of names.values()) ids.add(id);
    if (await fake.answer(line, response)) return;
    const reply = (status: number, value: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(value)}\n`);
    const query = (name: string) => url.searchParams.get(name) ?? '';
    const [, image = '', verb] = /^\S+ \/images\/(.*?)(?:\/(json|tag))?$/.exec(line) ?? [];
    const id = idOf(image);
    if (line === 'GET /info') reply(200, { InitBinary: 'init' });
    else if (line === 'GET /images/json')
      reply(
        200,
        [...names].map(([name, Id]) => ({ Id, RepoTags: [name] })),
      );
    else if (line === 'POST /images/load') {
      const [name = '', loaded] = body.toString().split('=');
      if (loaded === undefined) return void reply(200, { error: 'open repositories: no such file or directory' });
      names.set(name, loaded);
      reply(200, { stream: `Loaded image: ${name}\n` });
    } else if (line === 'POST /images/create' && query('fromSrc') === '-') reply(200, { error: 'invalid tar header' });
    else if (line === 'POST /images/create') {
      names.set(full(query('tag') ? `${query('fromImage')}:${query('tag')}` : query('fromImage')), 'pulled');
      reply(200, { status: 'done' });
    } else if (id === undefined) reply(404, { message: `No such image: ${image}` });
    else if (verb === 'tag') {
      names.set(`${query('repo')}:${query('tag')}`, id);
      reply(201, {});
    } else if (request.method === 'DELETE') {
      names.delete(image);
      reply(200, []);
    } else reply(200, { Id: id });
  };
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  const directory = mkdtempSync(join(shortTemporary, 'engine-'));
  const socketPath = join(directory, 'engine.sock');
  const fake: FakeEngine = { socketPath, names, seen, answer: () => false };
  server.listen(socketPath);
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
    rmSync(directory, { recursive: true, force: true });
  });
  return fake;
};
