import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import t from 'tap';
import type { Test } from 'tap';
import { messageOf } from '../../lib/errors.ts';
import { withAnonymousFallback } from '../../lib/storage/anonymous-fallback.ts';
import { objectStoreContract } from '../contracts/object-store.ts';
import { needS3 } from '../helpers/s3.ts';

/** A TCP server on loopback that is gone at the end of the test. */
const listen = async (t: Test, onSocket: (socket: Socket) => void): Promise<string> => {
  const sockets = new Set<Socket>();
  const server = net.createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
};

/** A way to a server that is cut once so many bytes have come back over it. */
const cutAfter = (t: Test, target: string, bytes: number): Promise<string> =>
  listen(t, socket => {
    const { hostname, port } = new URL(target);
    const upstream = net.connect(Number(port), hostname);
    let passed = 0;
    upstream.on('error', () => undefined).on('close', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
    socket.pipe(upstream);
    upstream.on('data', chunk => {
      passed += chunk.length;
      if (passed > bytes) socket.resetAndDestroy();
      else socket.write(chunk);
    });
  });

const drain = async (items: AsyncIterable<unknown>): Promise<void> => {
  for await (const _ of items);
};

const server = await needS3(t);
if (server !== undefined) {
  // Each test has a bucket of its own, listings are of the whole of it.
  objectStoreContract(t, async t => {
    const own = await needS3(t);
    if (own === undefined) throw new Error('the server went away');
    t.teardown(async () => {
      if ((await own.unfinishedUploads()) > 0) throw new Error('parts are left behind');
    });
    return own.open();
  });

  t.test('wrong credentials are denied, and never told', async t => {
    const guessed = { ...server.credentials, secretAccessKey: 'guessed-secret' };
    const wrong = [
      guessed,
      { ...server.credentials, accessKey: 'nobody-at-all', secretAccessKey: 'guessed-secret' },
      { type: 'anonymous' as const },
    ];
    for (const credentials of wrong) {
      const store = server.open({ credentials });
      for (const work of [() => store.get('k'), () => store.put('k', Buffer.alloc(100)), () => drain(store.list(''))]) {
        const error: unknown = await work().catch((thrown: unknown) => thrown);
        t.match(error, { name: 'StoreError', code: 'denied' });
        t.notMatch(messageOf(error), /guessed-secret/);
      }
    }
    const endless = Readable.from([Buffer.alloc(2 ** 24)], { objectMode: false });
    await t.rejects(server.open({ credentials: guessed }).put('k', endless), { code: 'denied' });
  });

  t.test('a bucket that is not there is missing', async t => {
    const store = server.open({ bucket: 'no-such-bucket-here' });
    await t.rejects(store.get('k'), { code: 'missing', message: /NoSuchBucket.*store=s3:.*key=k/ });
    await t.rejects(store.put('k', Buffer.from('x')), { code: 'missing' });
  });

  t.test('what is denied with credentials is told as denied when it is not public either', async t => {
    const store = withAnonymousFallback(
      server.open({ credentials: { ...server.credentials, secretAccessKey: 'guessed-secret' } }),
      () => server.open({ credentials: { type: 'anonymous' } }),
    );
    await t.rejects(store.get('k'), { code: 'denied', message: /SignatureDoesNotMatch/ });
  });

  t.test('a connection that is reset while an object is read is unavailable', async t => {
    await server.open().put('large', randomBytes(4 * 2 ** 20));
    const { body } = await server.open({ endpoint: await cutAfter(t, server.endpoint, 2 ** 20) }).get('large');
    await t.rejects(buffer(body), { name: 'StoreError', code: 'unavailable', message: /key=large/ });
  });

  t.test('a connection that is reset before a reply is unavailable', async t => {
    const store = server.open({ endpoint: await cutAfter(t, server.endpoint, 0) });
    await t.rejects(store.put('k', Buffer.from('x')), { code: 'unavailable' });
    await t.rejects(store.get('k'), { code: 'unavailable' });
  });

  t.test('a store that is down is unavailable at once', async t => {
    const socket = net.createServer().listen(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address() as AddressInfo;
    socket.close();
    await once(socket, 'close');
    const store = server.open({ endpoint: `http://127.0.0.1:${String(port)}` });
    await t.rejects(store.get('k'), { code: 'unavailable', message: /ECONNREFUSED/ });
    const body = Readable.from([Buffer.alloc(2 ** 24)], { objectMode: false });
    await t.rejects(store.put('k', body), { code: 'unavailable' });
    t.ok(body.destroyed);
  });

  t.test('a store that is silent is unavailable after its time', async t => {
    const endpoint = await listen(t, socket => socket.resume());
    await t.rejects(server.open({ endpoint, idleMs: 100 }).get('k'), {
      code: 'unavailable',
      message: /timed out after 100 ms of inactivity/,
    });
    const stop = new AbortController();
    const waiting = server.open({ endpoint }).get('k', stop.signal);
    stop.abort(new Error('not needed any more'));
    await t.rejects(waiting, { message: 'not needed any more' });
  });

  t.test('an idle connection that the server closed is replaced unnoticed', async t => {
    const { hostname, port } = new URL(server.endpoint);
    const open = new Set<Socket>();
    const endpoint = await listen(t, socket => {
      const upstream = net.connect(Number(port), hostname);
      upstream.on('error', () => undefined);
      open.add(socket);
      socket.on('close', () => upstream.destroy());
      socket.pipe(upstream).pipe(socket);
    });
    const store = server.open({ endpoint });
    await store.put('k', Buffer.from('x'));
    t.equal(open.size, 1);
    for (const socket of open) socket.end();
    await store.put('k', Buffer.from('y'));
    t.equal((await buffer((await store.get('k')).body)).toString(), 'y');
    t.ok(open.size <= 2, 'and kept');
  });
}
