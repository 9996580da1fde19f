import t from 'tap';
import { parseStats } from '../../../lib/executors/docker/follow-stats.ts';

t.test('a sample tells processor time and the most memory that is known', t => {
  const sample = { cpu_stats: { cpu_usage: { total_usage: 1_500_000_000 } }, memory_stats: { usage: 5, max_usage: 9 } };
  t.strictSame(parseStats(JSON.stringify(sample)), { cpuSeconds: 1.5, memoryBytes: 9 });
  t.strictSame(parseStats(JSON.stringify({ memory_stats: { usage: 5 } })), { memoryBytes: 5 }, 'version 2 has no mark');
  t.end();
});

t.test('one of a container that has not begun or has ended tells nothing, nor does what is no sample', t => {
  t.strictSame(parseStats(JSON.stringify({ cpu_stats: { cpu_usage: { total_usage: 0 } }, memory_stats: {} })), {});
  t.strictSame(parseStats('{"cpu_st'), {});
  t.end();
});
