import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { endpointOf } from '../../lib/storage/s3/endpoint.ts';
import { refusal } from '../../lib/storage/s3/errors.ts';
import { createSign } from '../../lib/storage/s3/sign.ts';
import { createS3Store } from '../../lib/storage/s3.ts';

for (const [origin, bucket, host, root] of [
  [undefined, 'plain-name', 'plain-name.s3.eu-west-1.amazonaws.com', '/'],
  [undefined, 'dotted.name', 's3.eu-west-1.amazonaws.com', '/dotted.name/'],
  ['http://127.0.0.1:9000', 'plain-name', '127.0.0.1:9000', '/plain-name/'],
  ['https://[::1]:9000', 'b b', '[::1]:9000', '/b%20b/'],
] as const)
  t.test(`${bucket} on ${origin ?? 'AWS'} is asked for at ${host}${root}`, async t => {
    t.match(endpointOf(origin, 'eu-west-1', bucket), { host, root });
  });

for (const [status, service, code] of [
  [404, 'NoSuchKey', 'missing'],
  [404, '', 'missing'],
  [403, 'AccessDenied', 'denied'],
  [400, 'ExpiredToken', 'denied'],
  [412, 'PreconditionFailed', 'precondition'],
  [409, 'ConditionalRequestConflict', 'unavailable'],
  [503, 'SlowDown', 'unavailable'],
  [400, 'RequestTimeout', 'unavailable'],
  [500, '', 'unavailable'],
  [501, 'NotImplemented', 'invalid'],
  [400, 'KeyTooLongError', 'invalid'],
] as const)
  t.test(`HTTP ${String(status)} ${service} means ${code}`, async t => {
    const body = `<Error><Code>${service}</Code><Message>it&apos;s so</Message></Error>`;
    const error = refusal('get', status, body, { key: 'k' });
    t.equal(error.code, code);
    t.match(error.message, `it's so (HTTP ${String(status)}) [key=k]`);
  });

t.test('an anonymous request is not signed', async t => {
  const plain = { method: 'GET', path: '/', query: {}, headers: { host: 'h' }, body: undefined };
  t.strictSame(await createSign({ type: 'anonymous' })(plain, 'us-east-1'), { host: 'h' });
});

/** A store before a server of the test's own. */
const storeBefore = async (t: Test, answer: (request: IncomingMessage, response: ServerResponse) => void) => {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const credentials = { type: 'aws', accessKey: 'someone', secretAccessKey: 'a-secret', sessionToken: 'tok' } as const;
  return createS3Store({ endpoint: `http://127.0.0.1:${String(port)}`, region: 'us-east-1', bucket: 'b', credentials });
};

t.test('a bucket in another region is followed there once, and asked there from then on', async t => {
  const scopes: string[] = [];
  const store = await storeBefore(t, (request, response) => {
    const region = /\/([a-z0-9-]+)\/s3\/aws4_request/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    scopes.push(region);
    if (region === 'eu-west-3') response.end('hello');
    else
      response.writeHead(400).end('<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>');
  });
  for (let i = 0; i < 2; i++) (await store.get('k')).body.destroy();
  t.strictSame(scopes, ['us-east-1', 'eu-west-3', 'eu-west-3']);
});

t.test('a server that sends in circles is left', async t => {
  let asked = 0;
  const store = await storeBefore(t, (_request, response) => {
    response.writeHead(301, { 'x-amz-bucket-region': `r-${String(++asked)}` }).end();
  });
  await t.rejects(store.get('k'), { code: 'invalid', message: /HTTP 301/ });
  t.ok(asked < 10);
});

t.test('a session token is signed along', async t => {
  let seen: string | undefined;
  const store = await storeBefore(t, (request, response) => {
    seen = `${String(request.headers['x-amz-security-token'])} ${String(request.headers.authorization)}`;
    response.end();
  });
  await store.put('k', Buffer.from('x'));
  t.match(seen, /^tok .*SignedHeaders=[a-z0-9;-]*x-amz-security-token/);
});

t.test('a listing that is none is invalid', async t => {
  const store = await storeBefore(t, (_request, response) => response.end('<html>welcome</html>'));
  const listing = async () => {
    for await (const { key } of store.list('')) t.fail(key);
  };
  await t.rejects(listing(), { code: 'invalid', message: /no listing/ });
});
