import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import t from 'tap';
import { lines } from '../../lib/output/lines.ts';

const split = async (chunks: Buffer[], maxLineBytes?: number) => {
  const found: string[] = [];
  const stamps: number[] = [];
  let reads = 0;
  const now = () => ++reads;
  const onLine = (line: string, atMs: number) => {
    found.push(line);
    stamps.push(atMs);
  };
  await pipeline(Readable.from(chunks), lines(onLine, { now, ...(maxLineBytes !== undefined && { maxLineBytes }) }));
  return { found, stamps, reads };
};
const bytes = (...texts: string[]) => texts.map(text => Buffer.from(text));

t.test('lines end at a newline, with or without carriage return, and at the end', async t => {
  t.strictSame((await split(bytes('a\r\nb\n\nc\r\n\r', 'x\nlast'))).found, ['a', 'b', '', 'c', '\rx', 'last']);
});

t.test('the clock is read once a chunk, and stamps the lines that end in it', async t => {
  const { stamps, reads } = await split(bytes('a\nb\nc', 'c\nd\n'));
  t.strictSame(stamps, [1, 1, 2, 2]);
  t.equal(reads, 2);
});

t.test('bytes that are no UTF-8 become the replacement character, and a character may lie across chunks', async t => {
  const chunks = [Buffer.from([0x61, 0xff, 0xfe, 0x62, 0x0a, 0xc3]), Buffer.from([0xa9, 0x0a, 0xe2, 0x82])];
  t.strictSame((await split(chunks)).found, ['a\ufffd\ufffdb', 'é', '\ufffd']);
});

t.test('a line that is too long is cut, marked, and the next one is whole', async t => {
  t.strictSame((await split(bytes('0123', '4567', '89', 'x\nnext\n'), 6)).found, ['012345…', 'next']);
  t.strictSame((await split(bytes('0123456789\nnext\n0123456', '789'), 6)).found, ['012345…', 'next', '012345…']);
});

t.test('however the bytes are cut into chunks, the lines are the same', async t => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '\n', '€', '𝄞') })), async texts => {
      const whole = texts.join('');
      const expected = whole.split('\n');
      if (expected.at(-1) === '') expected.pop();
      const all = Buffer.from(whole);
      const chunks: Buffer[] = [];
      for (let at = 0; at < all.length; at += 3) chunks.push(all.subarray(at, at + 3));
      t.strictSame((await split(chunks)).found, expected);
    }),
  );
});

t.test('200 MB without a newline take no more memory than one long line', async t => {
  const chunk = Buffer.alloc(65_536, 'x');
  const printed = function* () {
    for (let at = 0; at < 3200; at++) yield chunk;
  };
  let found = 0;
  let peak = 0;
  const before = process.memoryUsage.rss();
  const now = () => {
    peak = Math.max(peak, process.memoryUsage.rss());
    return 0;
  };
  await pipeline(
    printed,
    lines(line => (found += line.length), { now }),
  );
  t.equal(found, 1024 * 1024 + 1);
  t.ok(peak - before < 100e6);
});
