import assert from 'node:assert';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, renameSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createEventBus, type EventBus } from '../../../lib/telemetry/events.ts';
import { openSinks } from '../../../lib/telemetry/sinks.ts';
import type { RemotePlace } from '../../../lib/telemetry/sinks/remote-place.ts';
import { eventually } from '../../helpers/eventually.ts';

const open = async (bus: EventBus, target: RemotePlace | string, maxBytes = 1 << 20) =>
  openSinks(bus, { targets: [{ name: 'sink', target }], runner: 'host 1', least: 'info', maxBytes });
const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;
const say = (bus: EventBus, why: string) => bus.emit('queue-ignored', { why });
const whysOf = (text: string): string[] =>
  text
    .split('\n')
    .filter(line => line.includes('"queue-ignored"'))
    .map(line => (JSON.parse(line.slice(line.indexOf('{'))) as { why: string }).why);

/** A TCP server that keeps what it reads. */
const listen = async (t: Test, port = 0) => {
  let text = '';
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', chunk => (text += String(chunk)));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const stop = async () => {
    for (const socket of sockets) socket.destroy();
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  };
  t.teardown(stop);
  return { port: portOf(server), text: () => text, stop };
};

t.test('tcp: a listener that goes and comes back gets every line, in order; some may come twice', async t => {
  const bus = createEventBus();
  const told: unknown[] = [];
  bus.events$.subscribe(({ event }) => event.startsWith('sink-') && told.push(event));
  const first = await listen(t);
  const sinks = await open(bus, { type: 'tcp', host: '127.0.0.1', port: first.port });
  for (let i = 0; i < 10; i++) say(bus, String(i));
  await eventually(() => assert.equal(whysOf(first.text()).length, 10));
  await first.stop();
  await eventually(() => {
    say(bus, 'while it is away');
    assert.ok(told.includes('sink-lost'));
  });
  const second = await listen(t, first.port);
  for (let i = 10; i < 20; i++) say(bus, String(i));
  await eventually(() => assert.equal(whysOf(second.text()).at(-1), '19'), { timeoutMs: 30_000 });
  const numbers = [...whysOf(first.text()), ...whysOf(second.text())].filter(why => why !== 'while it is away');
  t.same(
    [...new Set(numbers)],
    Array.from({ length: 20 }, (_, i) => String(i)),
  );
  t.ok(told.includes('sink-back'));
  t.same(await sinks.close(), new Map());
});

t.test('tcp: a listener that never reads costs the bound and no time', async t => {
  const bus = createEventBus();
  const server = createServer(socket => socket.pause());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const sinks = await open(bus, { type: 'tcp', host: '127.0.0.1', port: portOf(server) }, 16_000_000);
  const startedMs = performance.now();
  for (let i = 0; i < 20_000; i++) say(bus, 'x'.repeat(1000));
  t.ok(performance.now() - startedMs < 5000);
  const lost = await sinks.close(100);
  t.ok((lost.get('sink') ?? 0) > 0, 'what was taken and not written is counted');
});

t.test('http: batches of NDJSON; what is not taken comes again, what is refused is counted', async t => {
  const bus = createEventBus();
  const told: [string, unknown][] = [];
  bus.events$.subscribe(({ event, fields }) => event.startsWith('sink-') && told.push([event, fields['dropped']]));
  const answers = [503, 200, 400];
  const bodies: string[] = [];
  const headers: unknown[] = [];
  const server = createHttpServer((request, response) => {
    let body = '';
    request.on('data', chunk => (body += String(chunk)));
    request.on('end', () => {
      const status = answers.shift() ?? 200;
      if (status === 200) bodies.push(body);
      headers.push([request.headers['content-type'], request.headers.authorization]);
      response.writeHead(status).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const sinks = await open(bus, { type: 'http', url: `http://u:p@127.0.0.1:${String(portOf(server))}/in` });
  say(bus, '1');
  say(bus, '2');
  await eventually(() => assert.deepEqual(whysOf(bodies.join('')), ['1', '2']));
  t.same(headers[0], ['application/x-ndjson', `Basic ${Buffer.from('u:p').toString('base64')}`]);
  say(bus, 'refused');
  await eventually(() => assert.equal(answers.length, 0));
  say(bus, '4');
  await eventually(() => assert.equal(whysOf(bodies.join('')).at(-1), '4'));
  t.same(await sinks.close(), new Map());
  t.equal(told[0]?.[0], 'sink-lost');
  t.match(told.at(-1), ['sink-back', Number]);
  t.ok(Number(told.at(-1)?.[1]) >= 1);
});

t.test('syslog: RFC 5424, each message with its length over TCP, a datagram over UDP', async t => {
  const bus = createEventBus(() => 0);
  const server = await listen(t);
  const tcp = await open(bus, { type: 'syslog', protocol: 'tcp', host: '127.0.0.1', port: server.port });
  const datagrams: string[] = [];
  const socket = createSocket('udp4').on('message', message => datagrams.push(String(message)));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  const udp = await open(bus, { type: 'syslog', protocol: 'udp', host: '127.0.0.1', port: socket.address().port });
  say(bus, 'ü');
  await eventually(() => assert.equal(datagrams.length, 1));
  const head = `<132>1 1970-01-01T00:00:00.000Z host_1 studioml-runner ${String(process.pid)} queue-ignored - {`;
  t.ok(datagrams[0]?.startsWith(head));
  await eventually(() => assert.match(server.text(), /\n$/));
  const [, length, message = ''] = /^(\d+) ([^]*)$/.exec(server.text()) ?? [];
  t.equal(Number(length), Buffer.byteLength(message));
  t.ok(message.startsWith(head));
  await Promise.all([tcp.close(), udp.close()]);
});

t.test('a file that is renamed is opened anew: at once when asked to, else soon', async t => {
  const directory = t.testdir({});
  const path = join(directory, 'events');
  const bus = createEventBus();
  const sinks = await open(bus, path);
  say(bus, '1');
  await eventually(() => assert.deepEqual(whysOf(readFileSync(path, 'utf8')), ['1']));
  renameSync(path, `${path}.1`);
  sinks.reopen();
  say(bus, '2');
  await eventually(() => assert.deepEqual(whysOf(readFileSync(path, 'utf8')), ['2']));
  renameSync(path, `${path}.2`);
  await eventually(() => {
    say(bus, '3');
    assert.equal(whysOf(readFileSync(path, 'utf8')).at(-1), '3');
  });
  await sinks.close();
  t.same(whysOf(readFileSync(`${path}.1`, 'utf8')), ['1']);
});

t.test('a pino transport package is used by its name; one that is not there is told with its remedy', async t => {
  const bus = createEventBus();
  await t.rejects(
    open(bus, { type: 'package', name: 'pino-none-such', options: {} }),
    /there is no package "pino-none-such"; install it beside the runner: npm install pino-none-such/,
  );
  const options = { url: 'http://127.0.0.1:1/v1/logs' };
  const sinks = await open(bus, { type: 'package', name: 'pino-opentelemetry-transport', options });
  say(bus, 'nobody listens');
  t.same(await sinks.close(60_000), new Map(), 'the transport has it');
});
