import { readFileSync } from 'node:fs';
import t from 'tap';
import { metricFamilies } from '../../../lib/telemetry/metrics/families.ts';
import { createMetrics } from '../../../lib/telemetry/metrics/metrics.ts';

const linesOf = (text: string, name: string): string[] => text.split('\n').filter(line => line.startsWith(name));

t.test('counters and gauges are told with their labels, escaped and cut', async t => {
  const metrics = createMetrics();
  metrics.add('runner_store_retries_total', { operation: 'a"b\\c\nd' });
  metrics.add('runner_store_retries_total', { operation: 'a"b\\c\nd' }, 2);
  metrics.set('runner_events_dropped_total', { sink: 'x'.repeat(500) }, 1);
  const text = metrics.text();
  t.same(linesOf(text, 'runner_store_retries_total'), ['runner_store_retries_total{operation="a\\"b\\\\c\\nd"} 3']);
  t.same(linesOf(text, 'runner_events_dropped_total'), [`runner_events_dropped_total{sink="${'x'.repeat(200)}"} 1`]);
  t.match(text, /^# TYPE runner_store_retries_total counter$/m);
  t.match(text, /^runner_staged_in_bytes_total 0$/m, 'what has no labels is there from the start');
});

t.test('a histogram adds its buckets up', async t => {
  const metrics = createMetrics();
  for (const value of [0.005, 0.2, 0.2, 1e9]) metrics.observe('runner_stage_duration_seconds', { stage: 'run' }, value);
  const text = metrics.text();
  const bucket = (le: string) =>
    linesOf(text, 'runner_stage_duration_seconds_bucket')
      .find(line => line.includes(`le="${le}"`))
      ?.split(' ')[1];
  t.equal(bucket('0.01'), '1');
  t.equal(bucket('0.1'), '1');
  t.equal(bucket('0.3'), '3');
  t.equal(bucket('86400'), '3');
  t.equal(bucket('+Inf'), '4');
  t.match(text, /^runner_stage_duration_seconds_count\{stage="run"\} 4$/m);
  t.match(text, /^runner_stage_duration_seconds_sum\{stage="run"\} 1000000000\.4/m);
});

t.test('series are bounded: what ended goes before what runs', async t => {
  const metrics = createMetrics();
  const labels = (experiment: string) => ({ host: 'h', queue_type: 'rmq', queue_name: 'q', project: 'p', experiment });
  metrics.set('runner_project_running', labels('long'), 1);
  for (let i = 0; i < 2000; i++) {
    metrics.set('runner_project_running', labels(String(i)), 1);
    metrics.set('runner_project_running', labels(String(i)), 0);
    metrics.add('runner_cache_hits', { host: 'h', hash: String(i) });
  }
  const running = linesOf(metrics.text(), 'runner_project_running{');
  t.equal(running.length, 500);
  t.ok(running.some(line => line.endsWith('experiment="long"} 1')));
  const hits = linesOf(metrics.text(), 'runner_cache_hits{');
  t.equal(hits.length, 500);
  t.match(hits.at(-1), /hash="1999"/);
  t.match(hits[0], /hash="1500"/);
});

t.test('collectors are asked at each reading', async t => {
  const metrics = createMetrics();
  let reads = 0;
  metrics.onCollect(() => metrics.set('runner_ready', {}, ++reads));
  metrics.text();
  t.match(metrics.text(), /^runner_ready 2$/m);
});

t.test('the dashboard asks for nothing that is not there', async t => {
  const text = readFileSync(new URL('../../../deploy/grafana-dashboard.json', import.meta.url), 'utf8');
  const { panels } = JSON.parse(text) as { panels: { targets: { expr: string }[] }[] };
  const names = panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => expr.match(/\b(runner|process)_\w+/g)));
  t.ok(names.length > 15);
  for (const name of names) {
    const base = String(name).replace(/_(bucket|sum|count)$/, '');
    const row = Object.entries(metricFamilies).find(([family]) => family === base || family === name);
    t.ok(row, String(name));
    if (row && row[0] !== name) t.equal(row[1].type, 'histogram', String(name));
  }
});
