/** A cache that two processes share, both of which want the same object at once. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import assert from 'node:assert/strict';
import t, { type Test } from 'tap';
import { placesIn } from '../../lib/workspace/cache/places.ts';
import { eventually } from '../helpers/eventually.ts';
import { tarOf } from '../helpers/tars.ts';

const program = join(import.meta.dirname, '../helpers/programs/bring-cached.ts');
const content = Buffer.alloc(9 * 1024 * 1024, 'pristine');

/** A server with one object, whose bodies the test lets go on, and processes that want it by one cache. */
const scene = async (t: Test) => {
  const dir = t.testdir({ cache: {} });
  const archive = await tarOf({ name: 'data', content });
  const etag = '"first"';
  /** Bodies that were begun: half of each is sent. */
  const bodies: ServerResponse[] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304, { etag }).end();
      return;
    }
    bodies.push(response);
    response.writeHead(200, { etag, 'content-length': archive.length });
    response.write(archive.subarray(0, archive.length / 2));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/data.tar`;
  let count = 0;
  const start = () => {
    const directory = join(dir, String(++count));
    mkdirSync(directory);
    const child = fork(program, [join(dir, 'cache'), url, directory], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    t.teardown(() => child.kill('SIGKILL'));
    const said: unknown[] = [];
    child.on('message', what => said.push(what));
    const ended = once(child, 'exit') as Promise<[code: number | null, signal: string | null]>;
    return { child, said, ended, read: () => readFileSync(join(directory, 'data')) };
  };
  const goOn = (body: ServerResponse | undefined) => body?.end(archive.subarray(archive.length / 2));
  return { bodies, start, goOn, places: placesIn(join(dir, 'cache')) };
};
const patient = { timeoutMs: 60_000 };

t.test('two processes that want one object at once fetch it once', { timeout: 120_000 }, async t => {
  const { bodies, start, goOn, places } = await scene(t);
  const both = [start(), start()];
  await eventually(() => {
    assert.equal(bodies.length, 1);
    for (const { said } of both) assert.ok(said.includes('asks'));
  }, patient);
  // That it waits is seen by nobody: it has time to do anything else.
  await sleep(300);
  goOn(bodies[0]);
  for (const { ended, read } of both) {
    t.same(await ended, [0, null]);
    t.ok(read().equals(content));
  }
  t.equal(bodies.length, 1, 'one download');
  t.same(both.map(({ said }) => said.slice(1)).sort(), [['cache-hit'], ['cache-miss']]);
  t.equal(readdirSync(places.entries).length, 1);
  t.same(readdirSync(places.locks), []);
});

t.test('where the one that fetches is killed, the other goes on', { timeout: 120_000 }, async t => {
  const { bodies, start, goOn, places } = await scene(t);
  const both = [start(), start()];
  await eventually(() => {
    assert.ok(both.some(({ said }) => said.includes('cache-miss')));
    for (const { said } of both) assert.ok(said.includes('asks'));
  }, patient);
  const killed = both.find(({ said }) => said.includes('cache-miss'));
  const other = both.find(one => one !== killed);
  killed?.child.kill('SIGKILL');
  t.same(await killed?.ended, [null, 'SIGKILL']);
  await eventually(() => assert.equal(bodies.length, 2), patient);
  goOn(bodies[1]);
  t.same(await other?.ended, [0, null]);
  t.ok(other?.read().equals(content));
  t.same(readdirSync(places.locks), []);
  // What was half written is removed by the next one that opens the cache.
  const next = start();
  t.same(await next.ended, [0, null]);
  t.same(next.said, ['asks', 'cache-hit']);
  t.same(readdirSync(places.staging), []);
  t.equal(bodies.length, 2, 'nothing more is fetched');
});
