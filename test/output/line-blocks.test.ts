import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import t from 'tap';
import { createDocument } from '../../lib/output/document.ts';
import { lines } from '../../lib/output/lines.ts';

/** The document that comes of these chunks, with blocks or line by line. */
const documentOf = async (chunks: Buffer[], blocks: boolean, maxLogBytes?: number) => {
  const document = createDocument(maxLogBytes === undefined ? {} : { maxLogBytes });
  let told = 0;
  const onLine = (line: string, atMs: number) => {
    document.stdoutLine(line, atMs);
  };
  const options = {
    now: () => 1_700_000_000_000,
    maxLineBytes: 300,
    onBlock: (...args: Parameters<typeof document.lineBlock>) => {
      told++;
      document.lineBlock(...args);
    },
  };
  const { onBlock, ...plain } = options;
  await pipeline(Readable.from(chunks), lines(onLine, blocks ? { ...plain, onBlock } : plain));
  return { text: document.serialize().toString(), counts: document.counts, told };
};

const cut = (whole: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(whole.length / size) }, (_, at) => whole.subarray(at * size, (at + 1) * size));

const line = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'é', '𝄞', '\r', '"', ' '), maxLength: 40 }),
  fc.constantFrom(
    '{"a":1}',
    '{"studioml":{"status":"mine"}}',
    '[{"op":"add","path":"/studioml/log/-","value":{"msg":"said by a patch"}}]',
    '[{"op":"remove","path":"/nothing"}]',
    'x'.repeat(400),
  ),
);

t.test('a log kept by blocks is the one kept line by line', async t => {
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 40 }), fc.integer({ min: 1, max: 500 }), async (texts, size) => {
      const chunks = cut(Buffer.from(texts.join('\n')), size);
      const expected = await documentOf(chunks, false);
      const { text, counts } = await documentOf(chunks, true);
      t.equal(text, expected.text);
      t.strictSame(counts, expected.counts);
    }),
  );
});

t.test('a block holds the lines that end in a chunk, and its size bounds the log', async t => {
  const whole = Buffer.from(Array.from({ length: 20_000 }, (_, at) => `line ${at} ${'.'.repeat(at % 60)}\n`).join(''));
  const { text, counts, told } = await documentOf(cut(whole, 65_536), true, 200_000);
  t.equal(told, 2 * Math.ceil(whole.length / 65_536));
  const { studioml } = JSON.parse(text) as { studioml: { log: { msg: string }[] } };
  t.equal(studioml.log.at(-1)?.msg, `line 19999 ${'.'.repeat(19_999 % 60)}`);
  t.equal(studioml.log.length - 1 + counts.dropped, 20_000);
  t.ok(text.length < 250_000, `${text.length} bytes`);
});

t.test('a line that comes in many pieces is in no block, and whole', async t => {
  const pieces = cut(Buffer.from('0123456789'.repeat(10)), 1);
  const { text, told } = await documentOf([...pieces, Buffer.from('\n')], true);
  t.match(text, `"msg":"${'0123456789'.repeat(10)}"`);
  t.equal(told, 0);
});
