/** A store that is overloaded, resets connections, or lets nobody in for a while, through the whole runner. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import t from 'tap';
import { extract } from 'tar-stream';
import { eventually } from '../helpers/eventually.ts';
import type { Fault } from '../helpers/fault-proxy.ts';
import { behindFaults } from '../helpers/fault-scene.ts';
import { printedIn } from '../helpers/printed.ts';

/** So many of the first requests of each kind go wrong, in turn in each of these ways. */
const storm = (
  faults: readonly Fault[],
  times: number,
  matches: (request: IncomingMessage) => boolean = () => true,
) => {
  const seen = new Map<string, number>();
  return (request: IncomingMessage): Fault => {
    const line = `${request.method} ${request.url}`;
    const count = seen.get(line) ?? 0;
    if (!matches(request) || count >= times) return 'pass';
    seen.set(line, count + 1);
    return faults[count % faults.length] ?? 'pass';
  };
};

const overloaded: readonly Fault[] = [
  { status: 503, code: 'SlowDown' },
  { status: 503, code: 'ServiceUnavailable' },
  'reset',
];

t.test('a storm of refusals and resets costs time, and loses nothing', { timeout: 120_000 }, async t => {
  const there = await behindFaults(t);
  if (!there) return;
  const { place, proxy, scene } = there;
  proxy.decide = storm(overloaded, 3);
  // 20 MB that do not compress: more than one part.
  const program = `
import pathlib, random
pathlib.Path('../modeldir/weights').write_bytes(random.Random(1).randbytes(20_000_000))
print('it ran')
`;
  const key = await scene.submit({ program, resources: { cpus: 1, gpus: 0, ram: '128mb', hdd: '100mb' } });
  t.match(await scene.settled(key, 100_000), { settlement: 'accept', cause: 'completed' });
  const retries = scene.runner.events.filter(({ event }) => event === 'store-retry');
  for (const operation of ['get', 'put'])
    t.ok(
      retries.some(one => one['operation'] === operation),
      operation,
    );
  t.ok(
    retries.some(({ error }) => /SlowDown/.test(String(error))),
    'the store is told in its own words',
  );
  t.equal(printedIn((await scene.output(key)).toString()), 'it ran\n');
  const archive = await buffer((await place.open().get(`experiments/${key}/modeldir.tar`)).body);
  let bytes = 0;
  for await (const entry of Readable.from([archive]).pipe(extract())) bytes += (await buffer(entry)).length;
  t.equal(bytes, 20_000_000);
  t.equal(await place.unfinishedUploads(), 0, 'no upload is left half');
  t.equal(await scene.runner.stop(), 0);
});

t.test('a store that stops for a while is waited for, on a disk that does not fill', { timeout: 120_000 }, async t => {
  const there = await behindFaults(t);
  if (!there) return;
  const { place, proxy, scene } = there;
  const program = `
import pathlib
pathlib.Path('../modeldir/weights').write_bytes(b'x' * 20_000_000)
print('it ran', flush=True)
`;
  const started = scene.event(({ event }) => event === 'started');
  const key = await scene.submit({ program, resources: { cpus: 1, gpus: 0, ram: '128mb', hdd: '100mb' } });
  await started;
  // It stops in the midst of a large upload.
  let parts = 0;
  const stops = ({ url = '' }: IncomingMessage) => url.includes('partNumber') && ++parts > 1;
  let isStopped = false;
  proxy.decide = request => {
    isStopped ||= stops(request);
    return isStopped ? 'reset' : 'pass';
  };
  const retry =
    (tries: number) =>
    ({ event, tries: told }: { event: string; tries?: unknown }) =>
      event === 'store-retry' && Number(told) >= tries;
  await scene.event(retry(2));
  const usedBytes = scene.workBytes();
  await scene.event(retry(5));
  t.ok(scene.workBytes() <= usedBytes + 100_000, 'trying again takes no disk');
  t.equal(scene.claimed().length, 1, 'the message is held meanwhile');
  proxy.decide = () => 'pass';
  t.match(await scene.settled(key, 100_000), { settlement: 'accept', cause: 'completed' });
  const model = await buffer((await place.open().get(`experiments/${key}/modeldir.tar`)).body);
  t.ok(model.length > 20_000_000);
  t.equal(await place.unfinishedUploads(), 0);
  await eventually(() => assert.deepEqual(scene.leftovers(), []));
  t.equal(await scene.runner.stop(), 0);
});

t.test(
  'credentials that expire in mid-run are waited for; when they stay so the message is kept with the reason, and what was refused',
  { timeout: 120_000 },
  async t => {
    const there = await behindFaults(t, { MAX_ATTEMPTS: '3' });
    if (!there) return;
    const { proxy, scene } = there;
    const expired: Fault = { status: 400, code: 'ExpiredToken' };
    const ofOutput = ({ method, url = '' }: IncomingMessage) => method === 'PUT' && url.includes('/output.tar');
    proxy.decide = storm([expired], 3, ofOutput);
    const first = await scene.submit({});
    t.match(await scene.settled(first), { settlement: 'accept', cause: 'completed' });
    t.match(
      scene.runner.events.find(({ event }) => event === 'store-retry'),
      { error: /ExpiredToken/, operation: 'put' },
    );
    t.equal(printedIn((await scene.output(first)).toString()), 'it ran\n');

    proxy.decide = storm([expired], 1000, ofOutput);
    const second = await scene.submit({});
    t.match(await scene.settled(second, 100_000), {
      settlement: 'reject',
      cause: 'access-denied',
      message: /ExpiredToken/,
    });
    t.match(scene.deadLetters(), [
      { reason: 'access-denied', message: /ExpiredToken.*output.*kept \[host=.*directory=/ },
    ]);
    const kept = await scene.event(({ event }) => event === 'results-kept');
    t.match(kept, { artifacts: ['output'], error: /ExpiredToken/ });
    t.match(readFileSync(`${String(kept['directory'])}/output/output`, 'utf8'), /^it ran$/m, 'nothing is lost');
    await eventually(() => assert.deepEqual(scene.leftovers(), []));
    t.match(await scene.metadata(second), { studioml: { status: 'completed' } }, 'what could be stored is');
    t.equal(await scene.runner.stop(), 0);
  },
);

t.test('an input that arrives damaged is read again', { timeout: 60_000 }, async t => {
  const there = await behindFaults(t);
  if (!there) return;
  const { proxy, scene } = there;
  const isInput = ({ method, url = '' }: IncomingMessage) => method === 'GET' && url.includes('workspaces/');
  proxy.decide = storm([{ flipByte: 600 }], 1, isInput);
  const key = await scene.submit({});
  t.match(await scene.settled(key), { settlement: 'accept', cause: 'completed' });
  t.match(
    scene.runner.events.find(({ event }) => event === 'store-retry'),
    { error: /damaged on its way/, operation: 'get' },
  );
  t.equal(printedIn((await scene.output(key)).toString()), 'it ran\n');
  t.equal(await scene.runner.stop(), 0);
});
