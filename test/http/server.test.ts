import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { hostAndPort, parseAddress } from '../../lib/http/address.ts';
import { startHttp, type Route } from '../../lib/http/server.ts';

async function* endless(): AsyncGenerator<Buffer> {
  for (;;) yield Buffer.from('and so on\n');
}

const routes: readonly Route[] = [
  { method: 'GET', path: '/echo/:word', answer: ({ word }) => ({ json: { word }, text: `it is ${word ?? ''}` }) },
  { method: 'GET', path: '/open', open: true, answer: () => ({ json: [], text: 'open' }) },
  { method: 'GET', path: '/endless', answer: () => ({ type: 'text/plain', body: endless() }) },
  {
    method: 'GET',
    path: '/fails',
    answer: () => {
      throw new Error('broken');
    },
  },
];

const open = async (t: Test, token?: string) => {
  const http = await startHttp({ address: { host: '127.0.0.1', port: 0 }, routes, token });
  t.teardown(() => http.close());
  return async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
    const reply = await fetch(`http://${hostAndPort(http.address)}${path}`, { headers, method });
    return { status: reply.status, text: await reply.text() };
  };
};

t.test('answers people in words and programs in JSON', async t => {
  const ask = await open(t);
  t.strictSame(await ask('/echo/a%2Fb'), { status: 200, text: 'it is a/b\n' });
  t.strictSame(await ask('/echo/b', { accept: 'application/json' }), { status: 200, text: '{"word":"b"}' });
  t.match(await ask('/nothing'), { status: 404 });
  t.strictSame(await ask('/echo/b', {}, 'HEAD'), { status: 200, text: '' });
  t.strictSame(await ask('/endless', {}, 'HEAD'), { status: 200, text: '' });
  t.match(await ask('/open', {}, 'POST'), { status: 405 });
  t.match(await ask('/echo/%ff'), { status: 400 });
  t.match(await ask('/fails'), { status: 500, text: 'broken\n' });
});

t.test('asks for the token, except where anybody may ask', async t => {
  const ask = await open(t, 'a token');
  t.match(await ask('/echo/a'), { status: 401 });
  t.match(await ask('/nothing'), { status: 401 }, 'not even what is there is told');
  t.match(await ask('/echo/a', { authorization: 'Bearer another' }), { status: 401 });
  t.match(await ask('/echo/a', { authorization: 'Bearer a token' }), { status: 200 });
  t.match(await ask('/open'), { status: 200 });
  t.match(await ask('/echo/a', {}, 'HEAD'), { status: 401, text: '' });
});

t.test('a busy port is an error', async t => {
  const busy = createServer().listen(0, '127.0.0.1');
  await once(busy, 'listening');
  t.teardown(() => busy.close());
  const { port } = busy.address() as AddressInfo;
  await t.rejects(startHttp({ address: { host: '127.0.0.1', port }, routes, token: undefined }), {
    code: 'EADDRINUSE',
  });
});

t.test('addresses', t => {
  t.strictSame(parseAddress(':9090'), { host: undefined, port: 9090 });
  t.strictSame(parseAddress('127.0.0.1:80'), { host: '127.0.0.1', port: 80 });
  t.strictSame(parseAddress('[::1]:80'), { host: '::1', port: 80 });
  for (const text of ['9090', 'host', ':99999', 'a:b', '::1:80', 'http://a:1'])
    t.equal(parseAddress(text), undefined, text);
  t.equal(hostAndPort({ host: '::1', port: 1 }), '[::1]:1');
  t.end();
});
