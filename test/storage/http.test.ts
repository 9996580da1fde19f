import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { createHttpStore, type HttpCredentials } from '../../lib/storage/http/http.ts';
import { resuming } from '../../lib/storage/resuming.ts';

const serve = async (
  t: Test,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> => {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
};
const open = (url: string, credentials: HttpCredentials = { type: 'anonymous' }, idleMs = 60_000) =>
  createHttpStore({ url: new URL(url), credentials, idleMs });
const readSteadily = async (url: string, key: string): Promise<Buffer> => {
  const { store } = resuming({ store: open(url), key }, { emit: () => undefined, about: {}, artifact: 'data' });
  return buffer((await store.get(key)).body);
};

t.test('passwords and tokens are shown to their host, and to no other that it sends to', async t => {
  const seen: (string | undefined)[] = [];
  const other = await serve(t, (request, response) => {
    seen.push(request.headers.authorization);
    response.end('there');
  });
  const first = await serve(t, (request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(302, { location: request.url === '/a' ? '/b' : `${other}/c` }).end();
  });
  const plain = { type: 'plain', user: 'me', password: 'pass-word' } as const;
  t.equal(await text((await open(`${first}/a`, plain).get('a')).body), 'there');
  const basic = `Basic ${Buffer.from('me:pass-word').toString('base64')}`;
  t.same(seen.splice(0), [basic, basic, undefined]);
  await text((await open(`${first}/b`, { type: 'jwt', token: 'tok' }).get('b')).body);
  t.same(seen.splice(0), ['Bearer tok', undefined]);
  await text((await open(`${other}/c`).get('c')).body);
  t.same(seen, [undefined]);
});

t.test('redirects that do not end, or lead elsewhere, are invalid', async t => {
  const url = await serve(t, (request, response) => {
    response.writeHead(301, { location: request.url === '/file' ? 'file:///etc/passwd' : '/again' }).end();
  });
  await t.rejects(open(`${url}/x`).get('x'), { code: 'invalid', message: /redirects.*key=x/ });
  await t.rejects(open(`${url}/file`).get('file'), { code: 'invalid' });
});

for (const [words, hasRanges, isChanged] of [
  ['that knows ranges', true, false],
  ['that knows none', false, false],
  ['that has another one by now', true, true],
] as const)
  t.test(`a body that is cut off is read on from a server ${words}`, async t => {
    const bytes = randomBytes(2_000_000);
    const starts: number[] = [];
    const url = await serve(t, ({ headers }, response) => {
      const start = hasRanges ? Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0) : 0;
      starts.push(start);
      const etag = isChanged && starts.length > 1 ? '"v2"' : '"v1"';
      const isWhole = start === 0 || headers['if-range'] !== etag;
      const body = isWhole ? bytes : bytes.subarray(start);
      response.writeHead(isWhole ? 200 : 206, {
        etag,
        'content-length': body.length,
        ...(isWhole ? {} : { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
      });
      if (starts.length > 2) response.end(body);
      else response.write(body.subarray(0, 700_000 * starts.length), () => response.socket?.resetAndDestroy());
    });
    const reading = readSteadily(`${url}/data.bin`, 'data.bin');
    if (isChanged) await t.rejects(reading, { code: 'unavailable', message: /replaced/ });
    else t.ok((await reading).equals(bytes));
    if (hasRanges && !isChanged) t.ok((starts[1] ?? 0) > 0);
  });

t.test('what a server says of the MD5 is compared', async t => {
  const md5 = createHash('md5').update('right').digest('base64');
  const url = await serve(t, (request, response) => {
    response.writeHead(200, { etag: '"x"', 'content-md5': md5 }).end(request.url === '/good' ? 'right' : 'wrong');
  });
  t.equal((await readSteadily(`${url}/good`, 'good')).toString(), 'right');
  await t.rejects(readSteadily(`${url}/bad`, 'bad'), { code: 'unavailable', message: /damaged on its way/ });
});

t.test('statuses mean what they mean elsewhere, and a signature in the query is never told', async t => {
  const url = await serve(t, (request, response) => response.writeHead(Number(request.url?.slice(1, 4))).end());
  for (const [status, code] of [
    [401, 'denied'],
    [403, 'denied'],
    [404, 'missing'],
    [410, 'missing'],
    [429, 'unavailable'],
    [503, 'unavailable'],
    [400, 'invalid'],
  ] as const) {
    const store = open(`${url}/${status}?X-Amz-Signature=a-signature`);
    await t.rejects(store.get(String(status)), { name: 'StoreError', code, message: /^(?!.*a-signature).*$/s });
  }
  await t.rejects(open('http://127.0.0.1:1/x').get('x'), { code: 'unavailable', message: /ECONNREFUSED/ });
});

t.test('a server that is silent is unavailable after its time, an abort ends the waiting', async t => {
  const url = await serve(t, () => undefined);
  await t.rejects(open(`${url}/x`, undefined, 50).get('x'), { code: 'unavailable', message: /no data for 50 ms/ });
  const control = new AbortController();
  const waiting = open(`${url}/x`).get('x', control.signal);
  control.abort(new Error('not needed any more'));
  await t.rejects(waiting, { message: 'not needed any more' });
});

t.test('nothing else than reading is possible', async t => {
  const store = open('http://127.0.0.1:1/x');
  await t.rejects(store.put('x', Buffer.from('y')), { code: 'invalid', message: /only be read/ });
  await t.rejects(store.delete('x'), { code: 'invalid' });
  t.throws(() => store.list(''), { code: 'invalid' });
  await t.rejects(store.get('y'), { code: 'missing' });
});
