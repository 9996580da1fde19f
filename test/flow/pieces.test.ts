import { PassThrough, Readable } from 'node:stream';
import t from 'tap';
import { inParts, piecesUntil } from '../../lib/flow/pieces.ts';

const hundred = Buffer.from(Array.from({ length: 100 }, (_, i) => i));
/** One memory, lent again and again. */
async function* lent(...sizes: readonly number[]): AsyncGenerator<Buffer> {
  const memory = Buffer.alloc(100);
  let at = 0;
  for (const size of sizes) {
    hundred.copy(memory, 0, at, at + size);
    yield memory.subarray(0, size);
    memory.fill(255);
    at += size;
  }
}

t.test('pieces of any sizes come as parts of one size, the last told as such', async t => {
  const rows: readonly (readonly [pieces: readonly number[], parts: readonly number[]])[] = [
    [[], [0]],
    [[7], [7]],
    [[40], [40]],
    [[41], [40, 1]],
    [
      [10, 0, 30, 5],
      [40, 5],
    ],
    [[100], [40, 40, 20]],
    [
      [1, 79, 20],
      [40, 40, 20],
    ],
  ];
  for (const [pieces, sizes] of rows) {
    const came: Buffer[] = [];
    let lasts = '';
    for await (const { bytes, last, release } of inParts(lent(...pieces), 40)) {
      came.push(Buffer.from(bytes));
      lasts += last ? 'l' : '.';
      release();
    }
    const label = pieces.join(' ');
    t.strictSame(
      came.map(({ length }) => length),
      sizes,
      label,
    );
    t.ok(Buffer.concat(came).equals(hundred.subarray(0, Buffer.concat(came).length)), label);
    t.equal(lasts, 'l'.padStart(sizes.length, '.'), label);
  }
});

t.test('a part keeps its bytes until it is released, and a later one has its memory then', async t => {
  const parts = inParts(lent(50, 50), 20);
  const next = async () => {
    const { value, done } = await parts.next();
    if (done) throw new Error('it ended');
    return value;
  };
  const first = await next();
  const second = await next();
  t.same([...first.bytes], [...hundred.subarray(0, 20)]);
  first.release();
  const third = await next();
  t.equal(third.bytes.buffer, first.bytes.buffer);
  t.not(third.bytes.buffer, second.bytes.buffer);
  t.same([...second.bytes], [...hundred.subarray(20, 40)]);
});

t.test('an abort ends pieces with its reason, even while the source is silent; the source is closed', async t => {
  const silent = new PassThrough();
  const control = new AbortController();
  const asked = piecesUntil(silent, control.signal).next();
  control.abort(new Error('no more'));
  await t.rejects(asked, { message: 'no more' });
  t.ok(silent.destroyed);

  let isClosed = false;
  const generator = async function* () {
    try {
      for (;;) yield Buffer.from('x');
    } finally {
      isClosed = true;
    }
  };
  for await (const _ of piecesUntil(generator(), undefined)) break;
  t.ok(isClosed);
  const failing = Readable.from(
    (function* () {
      yield Buffer.from('x');
      throw new Error('gone');
    })(),
  );
  await t.rejects(
    async () => {
      for await (const _ of piecesUntil(failing, new AbortController().signal));
    },
    { message: 'gone' },
  );
});
