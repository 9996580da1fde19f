import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { HttpRequest } from '@smithy/core/protocols';
import t from 'tap';
import type { Test } from 'tap';

import { clientFor } from '../../lib/storage/s3/clients.ts';
import { signRequest } from '../../lib/storage/s3/exchange.ts';
import * as sdk from '../../lib/storage/s3/sdk.ts';

import type { S3Credentials } from '../../lib/storage/s3/clients.ts';
import { messageOf } from '../../lib/errors.ts';
import type { ObjectInfo } from '../../lib/storage/object-store.ts';
import { createS3Store } from '../../lib/storage/s3.ts';

for (const [endpoint, Bucket, host, path] of [
  [undefined, 'plain-name', 'plain-name.s3.eu-west-1.amazonaws.com', '/a%20key/x'],
  [undefined, 'dotted.name', 's3.eu-west-1.amazonaws.com', '/dotted.name/a%20key/x'],
  ['http://127.0.0.1:9000', 'plain-name', '127.0.0.1:9000', '/plain-name/a%20key/x'],
  ['https://[::1]:9000', 'plain-name', '[::1]:9000', '/plain-name/a%20key/x'],
  [undefined, 'b--euw1-az1--x-s3', 'b--euw1-az1--x-s3.s3express-euw1-az1.eu-west-1.amazonaws.com', '/a%20key/x'],
] as const)
  t.test(`${Bucket} on ${endpoint ?? 'AWS'} is asked for at ${host}${path}`, async t => {
    const credentials = { type: 'aws', accessKey: `for ${host}`, secretAccessKey: 'a-secret' } as const;
    const client = await clientFor({ endpoint, region: 'eu-west-1', credentials, connectMs: 1000, idleMs: 1000 });
    const signed = await signRequest(sdk, client, { method: 'GET', Bucket, Key: 'a key/x' });
    t.match(signed, {
      headers: { host, authorization: Bucket.endsWith('--x-s3') ? /eu-west-1\/s3express\// : /eu-west-1\/s3\// },
      path,
    });
    t.match(signed, await asTheSdk(client, new GetObjectCommand({ Bucket, Key: 'a key/x' })));
  });

/** Where the SDK itself would send a command. */
const asTheSdk = (client: S3Client, command: GetObjectCommand): Promise<{ readonly path: string }> =>
  new Promise((resolve, reject) => {
    command.middlewareStack.add(
      () =>
        ({ request }) => {
          const { protocol, hostname, port, path } = request as HttpRequest;
          resolve({ protocol, hostname, path, ...(port === undefined ? {} : { port }) } as HttpRequest);
          throw new Error('not sent');
        },
      { step: 'finalizeRequest', priority: 'low' },
    );
    client.send(command).catch(reject);
  });

t.test('a key is written into the path as the SDK writes it', async t => {
  const credentials = { type: 'aws', accessKey: 'for keys', secretAccessKey: 'a-secret' } as const;
  const endpoint = 'http://127.0.0.1:9000';
  const client = await clientFor({ endpoint, region: 'us-east-1', credentials, connectMs: 1000, idleMs: 1000 });
  for (const Key of ["a'b(c)!*~-_.", 'ä/ö ü+%2F%', 'a//b', '/leading', 'trailing/', '?q=1&x#y', '\u{1f600}']) {
    const { path } = await signRequest(sdk, client, { method: 'GET', Bucket: 'b', Key });
    t.equal(path, (await asTheSdk(client, new GetObjectCommand({ Bucket: 'b', Key }))).path);
  }
});

t.test('what is no name of a bucket is refused in the words of the SDK, each time', async t => {
  const credentials = { type: 'aws', accessKey: 'for names', secretAccessKey: 'a-secret' } as const;
  const store = createS3Store({ region: 'us-east-1', bucket: 'arn:aws:s3:nowhere', credentials });
  for (let i = 0; i < 2; i++) await t.rejects(store.get('k'), { name: 'StoreError', message: /ARN/ });
});

t.test('a server that finds our clock wrong is asked again by its own, with requests that are out at once', async t => {
  const aheadMs = 3_600_000;
  const credentials = { type: 'aws', accessKey: 'late', secretAccessKey: 'a-secret' } as const;
  const skews: number[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const serverMs = Date.now() + aheadMs;
    const date = String(request.headers['x-amz-date']);
    skews.push(serverMs - Date.parse(date.replace(/(..)(..)(..)T(..)(..)(..)/, '$1-$2-$3T$4:$5:$6')));
    response.setHeader('date', new Date(serverMs).toUTCString());
    if (Math.abs(skews.at(-1) ?? 0) < 900_000) response.end('x');
    else response.writeHead(403).end('<Error><Code>RequestTimeTooSkewed</Code></Error>');
  };
  const store = await storeBefore(t, answer, credentials);
  const bodies = await Promise.all(['k', 'l'].map(async key => buffer((await store.get(key)).body)));
  t.strictSame(bodies.map(String), ['x', 'x']);
  t.equal(skews.length, 4, skews.join());
});

t.test(
  'a server that finds our clock wrong by whatever it signs with is unavailable: that says nothing of rights',
  async t => {
    let asked = 0;
    const store = await storeBefore(t, (_, response) => {
      asked += 1;
      response.writeHead(403).end('<Error><Code>RequestTimeTooSkewed</Code></Error>');
    });
    await t.rejects(store.get('k'), { code: 'unavailable', reason: 'RequestTimeTooSkewed' });
    t.equal(asked, 2);
  },
);

t.test('clients are kept, each for its own endpoint, region and credentials', async t => {
  const options = {
    endpoint: 'http://127.0.0.1:9000',
    region: 'us-east-1',
    credentials: { type: 'aws', accessKey: 'a', secretAccessKey: 'b' },
    connectMs: 1000,
    idleMs: 1000,
  } as const;
  const client = await clientFor(options);
  t.equal(await clientFor({ ...options }), client);
  t.not(await clientFor({ ...options, region: 'eu-west-1' }), client);
  t.not(await clientFor({ ...options, credentials: { ...options.credentials, secretAccessKey: 'c' } }), client);
});

/** A store before a server of the test's own. */
const storeBefore = async (
  t: Test,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  credentials: S3Credentials = { type: 'aws', accessKey: 'someone', secretAccessKey: 'a-secret', sessionToken: 'tok' },
) => {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return createS3Store({ endpoint: `http://127.0.0.1:${String(port)}`, region: 'us-east-1', bucket: 'b', credentials });
};

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
    const store = await storeBefore(t, (_request, response) => {
      response.writeHead(status).end(`<Error><Code>${service}</Code><Message>it&apos;s so</Message></Error>`);
    });
    const said = service === '' ? "it's so" : `${service}: it's so`;
    for (const work of [() => store.get('k'), () => store.put('k', Buffer.from('x'))]) {
      const error: unknown = await work().catch((thrown: unknown) => thrown);
      t.match(error, { name: 'StoreError', code });
      t.match(messageOf(error), `${said} (HTTP ${String(status)}) [store=${store.name}, key=k]`);
    }
  });

t.test('a refusal that is cut off says nothing', async t => {
  const store = await storeBefore(t, (request, response) => {
    request.resume();
    response.writeHead(404, { 'content-length': 1000 }).write('<Error><Code>XAdmin', () => response.destroy());
  });
  await t.rejects(store.get('k'), { code: 'unavailable' });
  await t.rejects(store.put('k', Buffer.from('x'), { ifNoneMatch: '*' }), { code: 'unavailable' });
});

t.test('what fails after its head was sent is a refusal', async t => {
  const store = await storeBefore(t, (request, response) => {
    request.resume().on('end', () => response.end('<Error><Code>InternalError</Code></Error>'));
  });
  await t.rejects(store.put('k', Buffer.from('x')), { code: 'unavailable', message: /InternalError/ });
});

t.test('a refusal that is no XML is told by its status', async t => {
  const store = await storeBefore(t, (request, response) => {
    response
      .writeHead(request.method === 'PUT' ? 502 : 403)
      .end(request.method === 'PUT' ? '<html><p>Bad gateway' : '');
  });
  await t.rejects(store.put('k', Buffer.from('x')), { code: 'unavailable', message: /HTTP 502/ });
  await t.rejects(store.get('k'), { code: 'denied', message: /HTTP 403/ });
});

t.test('an anonymous request is not signed', async t => {
  let seen: string | undefined = 'nothing';
  const store = await storeBefore(
    t,
    (request, response) => {
      seen = request.headers.authorization;
      response.end('public');
    },
    { type: 'anonymous' },
  );
  t.equal((await buffer((await store.get('k')).body)).toString(), 'public');
  t.equal(seen, undefined);
});

t.test('the SHA-256 of what is stored is signed along, and no other checksum is made', async t => {
  const bodies = [Buffer.from('some bytes'), Buffer.alloc(0)];
  let headers: IncomingHttpHeaders = {};
  const store = await storeBefore(t, (request, response) => {
    headers = request.headers;
    request.resume().on('end', () => response.end());
  });
  for (const body of bodies) {
    await store.put('k', body);
    t.equal(headers['x-amz-content-sha256'], createHash('sha256').update(body).digest('hex'));
    t.match(headers.authorization, /SignedHeaders=[a-z0-9;-]*x-amz-content-sha256/);
    t.notMatch(Object.keys(headers).join(), /checksum|trailer|expect|user-agent/);
  }
});

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

t.test('a listing is read page by page, whatever its server writes keys like', async t => {
  const asked: URL[] = [];
  const row = (key: string) =>
    `<Contents><Key>${key}</Key><Size>7</Size><ETag>&quot;e&quot;</ETag><Owner><ID>o</ID></Owner></Contents>`;
  const pages = [
    `<IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1</NextContinuationToken>${row('a&amp;%20')}`,
    `<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>${row('p%2Fb+c')}${row('p/&#100;')}`,
  ];
  const store = await storeBefore(t, (request, response) => {
    asked.push(new URL(request.url ?? '', 'http://store'));
    response.end(`<?xml version="1.0"?>\n<ListBucketResult><Name>b</Name>${pages.shift() ?? ''}</ListBucketResult>`);
  });
  const found: ObjectInfo[] = [];
  for await (const one of store.list('p/')) found.push(one);
  t.strictSame(
    found,
    ['a&%20', 'p/b c', 'p/d'].map(key => ({ key, sizeBytes: 7, etag: '"e"' })),
  );
  t.strictSame(
    asked.map(({ searchParams }) => [searchParams.get('prefix'), searchParams.get('continuation-token')]),
    [
      ['p/', null],
      ['p/', 't&1'],
    ],
  );
});

t.test('a listing that does not get on, or names no object, is invalid', async t => {
  const listed = async (content: string) => {
    const store = await storeBefore(t, (_request, response) => response.end(`<Name>b</Name>${content}`));
    for await (const { key } of store.list('')) t.equal(key, undefined);
  };
  const again = '<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>';
  await t.rejects(listed(again), { code: 'invalid', message: /same page/ });
  await t.rejects(listed('<IsTruncated>true</IsTruncated>'), { code: 'invalid', message: /goes on/ });
  await t.rejects(listed('<Contents><Size>1</Size></Contents>'), { code: 'invalid', message: /without a key/ });
});
