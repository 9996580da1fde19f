import fc from 'fast-check';
import t from 'tap';
import { formatSize, parseSize } from '../../lib/request/sizes.ts';

t.test('sizes are read as bytes, plain units in powers of 1000, with an i in powers of 1024', async t => {
  const rows: Record<string, number> = {
    '3g': 3e9,
    '3gb': 3e9,
    '3GB': 3e9,
    '3gib': 3 * 1024 ** 3,
    '3Gi': 3 * 1024 ** 3,
    '512mb': 512e6,
    '512mib': 512 * 1024 ** 2,
    '1.5tb': 1.5e12,
    '1.1gb': 1_100_000_000,
    '10k': 10_000,
    '1kib': 1024,
    '7b': 7,
    '128 MB': 128e6,
    ' 1g ': 1e9,
    '0.5': 1,
    '12345': 12345,
    '9007199254740991': Number.MAX_SAFE_INTEGER,
    '0': 0,
  };
  for (const [text, bytes] of Object.entries(rows)) t.equal(parseSize(text), bytes, text);
});

t.test('what is no size is undefined', async t => {
  const rows = [
    '',
    ' ',
    'gb',
    'b',
    '3 gigs',
    '-1gb',
    '+1gb',
    '1e9',
    '1,5gb',
    '3ib',
    '3gbit',
    '1.2.3',
    '9007199254740992',
    '99999pb',
  ];
  for (const text of [...rows, '1'.repeat(1e6)]) t.equal(parseSize(text), undefined, text.slice(0, 20));
});

t.test('bytes are written with one decimal at most, and never as a thousand of a smaller unit', async t => {
  const rows: [number, string][] = [
    [0, '0b'],
    [999, '999b'],
    [1500, '1.5kb'],
    [999_949, '999.9kb'],
    [999_950, '1mb'],
    [3e9, '3gb'],
    [1.25e12, '1.3tb'],
  ];
  for (const [bytes, text] of rows) t.equal(formatSize(bytes), text);
});

t.test('what is written is read back, within the rounding', async () => {
  fc.assert(
    fc.property(fc.nat(Number.MAX_SAFE_INTEGER), bytes => {
      const back = parseSize(formatSize(bytes)) ?? NaN;
      return Math.abs(back - bytes) <= bytes * 0.05;
    }),
  );
});
