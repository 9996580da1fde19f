import t from 'tap';
import { createGrowingDelays } from '../../lib/flow/growing-delay.ts';

t.test('doubles per key, up to the ceiling, which holds after so many steps', t => {
  const delays = createGrowingDelays(1000, 300_000, 10);
  const asked = Array.from({ length: 11 }, () => delays.next('a', 0));
  t.strictSame(asked, [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000]);
  t.equal(delays.next('b', 0), 1000);
  t.end();
});

t.test('says what is left and forgets on reset', t => {
  const delays = createGrowingDelays(1000, 300_000, 10);
  delays.next('a', 5000);
  t.equal(delays.remaining('a', 5400), 600);
  t.equal(delays.remaining('a', 7000), 0);
  t.equal(delays.remaining('b', 0), 0);
  delays.reset('a');
  t.equal(delays.remaining('a', 5400), 0);
  t.end();
});
