import fc from 'fast-check';
import t from 'tap';
import { parseDuration } from '../../lib/request/durations.ts';

t.test('durations of Go and of the client are read as milliseconds', async t => {
  const rows: Record<string, number> = {
    '90s': 90_000,
    '20m': 1_200_000,
    '1h30m': 5_400_000,
    '1.5h': 5_400_000,
    '.5s': 500,
    '1.s': 1000,
    '100ms': 100,
    '1m0.25s': 60_250,
    '1500us': 2,
    '1500µs': 2,
    '1500μs': 2,
    '2000000ns': 2,
    '2d': 172_800_000,
    '1D12H': 129_600_000,
    ' 5m ': 300_000,
    '0': 0,
    '0s': 0,
  };
  for (const [text, ms] of Object.entries(rows)) t.equal(parseDuration(text), ms, text);
});

t.test('what is no duration is undefined', async t => {
  for (const text of [
    '',
    ' ',
    '5',
    '5 m',
    'm',
    '-5m',
    '+5m',
    '1h30',
    '1w',
    '5min',
    '1e3s',
    '1..5s',
    '.s',
    '9'.repeat(20) + 'd',
  ]) {
    t.equal(parseDuration(text), undefined, JSON.stringify(text));
  }
});

t.test('any sum of whole units is read exactly', async () => {
  const amount = fc.nat(999);
  fc.assert(
    fc.property(amount, amount, amount, amount, (d, h, m, s) => {
      const ms = (((d * 24 + h) * 60 + m) * 60 + s) * 1000;
      return parseDuration(`${d}d${h}h${m}m${s}s`) === ms;
    }),
  );
});

t.test('no text takes long', async t => {
  const start = performance.now();
  for (const text of ['1'.repeat(1e6), '1s'.repeat(5e5), `${'1'.repeat(63)}x`]) t.equal(parseDuration(text), undefined);
  t.ok(performance.now() - start < 5000);
});
