import t from 'tap';
import { createEventBus } from '../../../lib/telemetry/events.ts';
import { createMetrics } from '../../../lib/telemetry/metrics/metrics.ts';
import { observeEvents } from '../../../lib/telemetry/metrics/observe-events.ts';

const about = { queue: 'rmq_a', project: 'p', experiment: 'e', attempt: 'host-1' };

const scene = () => {
  const bus = createEventBus();
  const metrics = createMetrics();
  observeEvents(bus.events$, metrics, 'h');
  bus.emit('queue-found', { kind: 'rabbitmq' }, { queue: 'rmq_a' });
  return { emit: bus.emit, has: (line: string) => metrics.text().split('\n').includes(line) };
};
const byExperiment = '{host="h",queue_type="rmq",queue_name="rmq_a",project="p",experiment="e"}';

t.test("an attempt's way is counted under the Go runner's names and the proper ones", async t => {
  const { emit, has } = scene();
  emit('staged', { artifacts: 1, bytes: 10, durationMs: 1 }, about);
  emit('started', {}, about);
  t.ok(has(`runner_project_running${byExperiment} 1`));
  t.ok(has('runner_experiments_running{queue_type="rmq",queue_name="rmq_a"} 1'));
  emit('ended', { cause: 'completed', message: '' }, about);
  t.ok(has(`runner_project_running${byExperiment} 0`));
  emit('stored', { artifacts: [], bytes: 20, durationMs: 1 }, about);
  const timings = { queued_ms: 2000, run_ms: 500, wall_ms: 2500 };
  emit('settled', { settlement: 'accept', cause: 'completed', message: '', delayMs: 0, durationMs: 1, timings }, about);
  for (const line of [
    `runner_project_completed${byExperiment} 1`,
    'runner_experiments_running{queue_type="rmq",queue_name="rmq_a"} 0',
    'runner_attempts_total{queue_type="rmq",queue_name="rmq_a",cause="completed",settlement="accept"} 1',
    'runner_stage_duration_seconds_sum{stage="run"} 0.5',
    'runner_queue_wait_seconds_sum{queue_type="rmq"} 2',
    'runner_staged_in_bytes_total 10',
    'runner_staged_out_bytes_total 20',
  ])
    t.ok(has(line), line);
});

t.test('a message that is given back counts as left alone, not as completed', async t => {
  const { emit, has } = scene();
  const settled = { settlement: 'release', cause: 'no-room', message: '', delayMs: 9, durationMs: 1 };
  emit('settled', { ...settled, timings: { queued_ms: 1, opened_ms: 1, wall_ms: 2 } }, about);
  t.ok(has('runner_queue_ignored{host="h",queue_type="rmq",queue_name="rmq_a"} 1'));
  t.notOk(has(`runner_project_completed${byExperiment} 1`));
});

t.test('what the cache and the environments do is counted', async t => {
  const { emit, has } = scene();
  const one = { artifact: 'data', object: 's3://h/b/k', hash: 'abc' };
  emit('cache-miss', { ...one, why: 'it was not there' }, about);
  for (let i = 0; i < 2; i++) emit('cache-hit', { ...one, bytes: 100, by: 'copy', durationMs: 1 }, about);
  emit('cache-damaged', { object: 'o', hash: 'abc', why: 'x' }, about);
  emit('cache-evicted', { hash: 'abc', bytes: 50 });
  emit('environment-built', { environment: 'e', packages: 1, bytes: 1, durationMs: 1 }, about);
  for (const line of [
    'runner_cache_hits{host="h",hash="abc"} 2',
    'runner_cache_misses{host="h",hash="abc"} 1',
    'runner_cache_requests_total{result="hit"} 2',
    'runner_cache_requests_total{result="miss"} 1',
    'runner_cache_requests_total{result="damaged"} 1',
    'runner_cache_served_bytes_total 200',
    'runner_cache_evicted_bytes_total 50',
    'runner_environments_total{change="built"} 1',
  ])
    t.ok(has(line), line);
});

t.test('brokers, looks, retries and lost events are counted', async t => {
  const { emit, has } = scene();
  emit('broker-lost', { kind: 'rabbitmq', broker: 'b', error: 'x', retryMs: 1 });
  emit('discovery-failed', { kind: 'sqs', error: 'x' });
  emit('store-retry', { operation: 'put', object: 'o', error: 'x', retryMs: 1, tries: 1 });
  emit('sink-back', { sink: 's', dropped: 7 });
  for (const line of [
    'runner_broker_connected{queue_type="rmq",broker="b"} 0',
    'runner_queue_refresh_fail{host="h",project="sqs"} 1',
    'runner_queue_looks_total{queue_type="sqs",result="failure"} 1',
    'runner_store_retries_total{operation="put"} 1',
    'runner_events_dropped_total{sink="s"} 7',
  ])
    t.ok(has(line), line);
  emit('broker-connected', { kind: 'rabbitmq', broker: 'b' });
  t.ok(has('runner_broker_connected{queue_type="rmq",broker="b"} 1'));
});
