import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import t from 'tap';
import { breakRing, createByteRing, RingBroken, RingReader, RingWriter } from '../../lib/flow/byte-ring.ts';

const ringFile = new URL('../../lib/flow/byte-ring.ts', import.meta.url).href;

t.test('bytes come out as they went in, whatever the sizes, round and round', async t => {
  const ring = createByteRing(1024);
  const bytes = randomBytes(100_000);
  const writing = (async () => {
    const writer = new RingWriter(ring);
    for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7) % 3001) {
      await writer.write(bytes.subarray(at, at + size));
      if (size % 3 === 0) await setImmediate();
    }
    writer.end();
  })();
  const pieces: Buffer[] = [];
  for await (const piece of new RingReader(ring).copies()) pieces.push(piece);
  await writing;
  t.ok(Buffer.concat(pieces).equals(bytes));
});

t.test('who puts bytes into the room himself is told where it is, and when there is some again', async t => {
  const ring = createByteRing(1000);
  const bytes = randomBytes(20_000);
  const writing = (async () => {
    const writer = new RingWriter(ring);
    for (let at = 0, size = 1; at < bytes.length; size = (size * 7) % 301) {
      const room = writer.room();
      if (!room) {
        await writer.roomAgain();
        t.ok(writer.room());
        continue;
      }
      const count = bytes.copy(room, 0, at, at + size);
      writer.put(count);
      at += count;
    }
    writer.end();
  })();
  const pieces: Buffer[] = [];
  for await (const piece of new RingReader(ring).copies()) pieces.push(piece);
  await writing;
  t.ok(Buffer.concat(pieces).equals(bytes));
});

t.test('a thread that blocks gets all of it, its first bytes first', async t => {
  const ring = createByteRing(4096);
  const program = `
    import('${ringFile}').then(({ RingReader }) => {
      const { parentPort, workerData } = require('node:worker_threads');
      const reader = new RingReader(workerData);
      const head = reader.peek(5).toString();
      let sum = 0, count = 0;
      for (const piece of reader.pieces()) for (const byte of piece) { sum += byte; count++; }
      parentPort.postMessage({ head, sum, count });
    });`;
  const thread = new Worker(program, { eval: true, workerData: ring });
  const told = once(thread, 'message');
  const bytes = Buffer.concat([Buffer.from('begin'), randomBytes(50_000)]);
  const writer = new RingWriter(ring);
  for (let at = 0; at < bytes.length; at += 999) await writer.write(bytes.subarray(at, at + 999));
  writer.end();
  const [said] = (await told) as [object];
  t.same(said, { head: 'begin', count: bytes.length, sum: bytes.reduce((sum, byte) => sum + byte, 0) });
});

t.test('a ring that is broken tells whoever waits, on either side', async t => {
  const full = createByteRing(16);
  const writing = Promise.resolve(new RingWriter(full).write(Buffer.alloc(17)));
  breakRing(full);
  await t.rejects(writing, RingBroken);
  t.throws(() => new RingWriter(full).room(), RingBroken);
  const stuck = createByteRing(16);
  const writer = new RingWriter(stuck);
  await writer.write(Buffer.alloc(16));
  t.equal(writer.room(), undefined);
  const waiting = writer.roomAgain();
  breakRing(stuck);
  await t.rejects(waiting, RingBroken);
  const empty = createByteRing(16);
  const reading = new RingReader(empty).copies().next();
  breakRing(empty);
  await t.rejects(reading, RingBroken);
});

t.test('a ring that ended stays so', async t => {
  const ring = createByteRing(16);
  const writer = new RingWriter(ring);
  await writer.write(Buffer.from('all'));
  writer.end();
  breakRing(ring);
  t.same([...new RingReader(ring).pieces()].map(String), ['all']);
});
