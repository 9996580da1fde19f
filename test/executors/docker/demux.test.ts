import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import t from 'tap';
import { demux } from '../../../lib/executors/docker/demux.ts';

const frame = (type: 1 | 2, payload: string): Buffer => {
  const header = Buffer.alloc(8);
  header[0] = type;
  header.writeUInt32BE(Buffer.byteLength(payload), 4);
  return Buffer.concat([header, Buffer.from(payload)]);
};

const cut = (bytes: Buffer, every: number): Readable =>
  Readable.from(
    Array.from({ length: Math.ceil(bytes.length / every) }, (_, at) => bytes.subarray(at * every, (at + 1) * every)),
    { objectMode: false },
  );

t.test('both streams come apart, wherever chunks are cut', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(1 as const, 2 as const), fc.string())),
      fc.integer({ min: 1, max: 40 }),
      async (frames, every) => {
        const [stdout, stderr] = [new PassThrough(), new PassThrough()];
        const all = Buffer.concat(frames.map(([type, payload]) => frame(type, payload)));
        const [out, error] = await Promise.all([text(stdout), text(stderr), demux(cut(all, every), stdout, stderr)]);
        const said = (wanted: 1 | 2) =>
          frames.flatMap(([type, payload]) => (type === wanted ? [Buffer.from(payload).toString()] : [])).join('');
        t.strictSame([out, error], [said(1), said(2)]);
      },
    ),
    { numRuns: 50 },
  );
});

t.test('nothing is read from the engine while a reader is slow', async t => {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let given = 0;
  const source = new Readable({
    read() {
      given += 1;
      this.push(given <= 1000 ? frame(1, 'x'.repeat(10_000)) : null);
    },
  });
  const done = demux(source, stdout, stderr);
  await new Promise(resolve => setTimeout(resolve, 100));
  t.ok(given < 50, `${String(given)} frames were read`);
  t.equal((await text(stdout)).length, 10_000_000);
  await done;
});

t.test('a stream that nobody reads any more keeps nobody waiting', async t => {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  stdout.destroy();
  const all = Buffer.concat(Array.from({ length: 100 }, () => frame(1, 'x'.repeat(10_000))));
  await demux(cut(all, 65_536), stdout, stderr);
  t.ok(stderr.writableEnded);
});

t.test('a slow reader leaves no listeners behind', async t => {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const all = Buffer.concat(Array.from({ length: 100 }, () => frame(1, 'x'.repeat(100_000))));
  const done = demux(cut(all, 65_536), stdout, stderr);
  let most = 0;
  for await (const _ of stdout) most = Math.max(most, stdout.listenerCount('close') + stdout.listenerCount('error'));
  await done;
  t.ok(most < 10, `${String(most)} listeners`);
});
