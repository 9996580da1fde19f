/** Uploads in parts that fail while their store is away, with a real S3 server behind a connection that fails. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import type { LeftUpload } from '../../lib/storage/object-store.ts';
import { closeS3 } from '../../lib/storage/s3.ts';
import { eventually } from '../helpers/eventually.ts';
import { behindFaults } from '../helpers/fault-scene.ts';
import type { Fault } from '../helpers/fault-proxy.ts';
import { shakyS3 } from '../helpers/shaky-s3.ts';

const MiB = 2 ** 20;

/** An upload that failed; its parts could not be taken away. */
const scene = async (t: Test, ofAborts: Fault = 'reset') => {
  const there = await shakyS3(t);
  if (!there) return undefined;
  const { place, proxy, shaky } = there;
  const told: LeftUpload[] = [];
  const put = (key: string) =>
    shaky.put(key, Readable.from([Buffer.alloc(20 * MiB)], { objectMode: false }), { onLeft: left => told.push(left) });
  proxy.decide = ({ method, url = '' }) => {
    if (!url.includes('uploadId')) return 'pass';
    return method === 'DELETE' ? ofAborts : 'reset';
  };
  await t.rejects(put('large'), { name: 'StoreError', code: 'unavailable' });
  t.equal(await place.unfinishedUploads(), 1, 'nobody could tell the store');
  return { place, proxy, put, told };
};

const isRemoved = (place: { unfinishedUploads: () => Promise<number> }) =>
  eventually(async () => assert.equal(await place.unfinishedUploads(), 0), { timeoutMs: 60_000, everyMs: 100 });

t.test('what is left is taken away when its store answers again', { timeout: 120_000 }, async t => {
  const there = await scene(t);
  if (!there) return;
  const { place, proxy, told } = there;
  t.match(told, [{ state: 'left', upload: /./, error: /put failed/ }]);
  proxy.decide = () => 'pass';
  await isRemoved(place);
  await eventually(() => assert.equal(told.length, 2));
  t.same(told[1], { upload: told[0]?.upload, state: 'removed' });
});

t.test('at the latest by the next upload to the same store, or at the end', { timeout: 120_000 }, async t => {
  for (const [words, next] of [
    ['the next upload', (put: (key: string) => Promise<unknown>) => put('another')],
    ['the end', () => closeS3()],
  ] as const) {
    const there = await scene(t);
    if (!there) return;
    const { place, proxy, put } = there;
    proxy.decide = () => 'pass';
    await next(put);
    t.equal(await place.unfinishedUploads(), 0, words);
  }
});

t.test('where the store refuses to take it away that is told, and it is let be', async t => {
  const there = await scene(t, { status: 403, code: 'AccessDenied' });
  if (!there) return;
  const { proxy, told } = there;
  t.match(told, [{ state: 'given-up', error: /AccessDenied/ }]);
  const asked = proxy.seen.length;
  await closeS3();
  t.equal(proxy.seen.length, asked, 'it is not asked again');
});

t.test('a runner tells of what a checkpoint left, and takes it away', { timeout: 120_000 }, async t => {
  const there = await behindFaults(t);
  if (!there) return;
  const { place, proxy, scene } = there;
  const program = `
import pathlib, time
pathlib.Path('../modeldir/weights').write_bytes(bytes(20_000_000))
while not pathlib.Path('../tb/enough').exists():
    time.sleep(0.1)
`;
  const { key, body } = await scene.request({
    program,
    resources: { cpus: 1, gpus: 0, ram: '128mb', hdd: '100mb' },
  });
  const request = JSON.parse(body) as { experiment: { artifacts: Record<string, Record<string, unknown>> } };
  Object.assign(request.experiment.artifacts['modeldir'] ?? {}, { saveFrequency: 1 });
  proxy.decide = ({ url = '' }) => (url.includes('uploadId') ? 'reset' : 'pass');
  scene.send(JSON.stringify(request));
  await scene.event(({ event }) => event === 'checkpoint-failed');
  t.match(await scene.event(({ event }) => event === 'upload-left'), {
    state: 'left',
    object: /modeldir/,
    experiment: key,
  });
  proxy.decide = () => 'pass';
  await scene.event(({ event, state }) => event === 'upload-left' && state === 'removed');
  t.equal(await scene.runner.stop(), 0);
  t.equal(await place.unfinishedUploads(), 0);
});
