/** One metric: what it counts, by which labels, and how many series of it are kept. */
export interface FamilyRow {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, without +Inf. */
  readonly buckets?: readonly number[];
  /** Series that are kept; of more the oldest go. Default: 1000. */
  readonly most?: number;
}
const families = <const T extends Readonly<Record<string, FamilyRow>>>(rows: T): T => rows;

const queue = ['queue_type', 'queue_name'] as const;
const byExperiment = ['host', ...queue, 'project', 'experiment'] as const;
const gpu = ['gpu', 'name'] as const;
const seconds = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600, 14_400, 86_400] as const;

/**
 * Every metric there is. The first ones have the names and labels of the Go runner, which users' dashboards ask for. They count
 * up as it had them, but are typed as gauges: the conventions of today want `_total` at the end of a counter's name.
 * Source: spec "Metrics".
 */
export const metricFamilies = families({
  runner_queue_refresh_success: {
    type: 'gauge',
    help: 'Times that the queues could be listed, since the start.',
    labels: ['host', 'project'],
  },
  runner_queue_refresh_fail: {
    type: 'gauge',
    help: 'Times that the queues could not be listed, since the start.',
    labels: ['host', 'project'],
  },
  runner_queue_checked: {
    type: 'gauge',
    help: 'Times that a queue was asked for work, since the start.',
    labels: ['host', ...queue],
  },
  runner_queue_ignored: {
    type: 'gauge',
    help: 'Times that a queue was left alone or its message given back, since the start.',
    labels: ['host', ...queue],
  },
  runner_project_running: {
    type: 'gauge',
    help: 'Experiments that run now.',
    labels: byExperiment,
    most: 500,
  },
  runner_project_completed: {
    type: 'gauge',
    help: 'Experiments that ran to an end, since the start.',
    labels: byExperiment,
    most: 500,
  },
  runner_cache_hits: {
    type: 'gauge',
    help: 'Artifacts that were found in the cache, since the start.',
    labels: ['host', 'hash'],
    most: 500,
  },
  runner_cache_misses: {
    type: 'gauge',
    help: 'Artifacts that were not found in the cache, since the start.',
    labels: ['host', 'hash'],
    most: 500,
  },

  runner_build_info: { type: 'gauge', help: 'Always 1; the version is its label.', labels: ['version'] },
  runner_ready: { type: 'gauge', help: 'Whether the runner is ready: 1, or 0.', labels: [] },
  runner_queue_looks_total: { type: 'counter', help: 'Looks for queues.', labels: ['queue_type', 'result'] },
  runner_attempts_total: {
    type: 'counter',
    help: 'Attempts that ended, by cause and by what the queue was told.',
    labels: [...queue, 'cause', 'settlement'],
  },
  runner_experiments_running: { type: 'gauge', help: 'Experiments that run now.', labels: queue },
  runner_queue_wait_seconds: {
    type: 'histogram',
    help: 'Time from the making of a request until a runner took it, of attempts that ended.',
    labels: ['queue_type'],
    buckets: seconds,
  },
  runner_stage_duration_seconds: {
    type: 'histogram',
    help: 'Time of each part of an attempt.',
    labels: ['stage'],
    buckets: seconds,
  },
  runner_staged_in_bytes_total: { type: 'counter', help: 'Bytes of artifacts that were brought in.', labels: [] },
  runner_staged_out_bytes_total: { type: 'counter', help: 'Bytes of artifacts that were stored.', labels: [] },
  runner_store_retries_total: {
    type: 'counter',
    help: 'Transfers that failed and were tried again.',
    labels: ['operation'],
  },
  runner_broker_connected: {
    type: 'gauge',
    help: 'Whether the connection to a broker stands: 1, or 0.',
    labels: ['queue_type', 'broker'],
  },
  runner_cache_requests_total: {
    type: 'counter',
    help: 'Artifacts that were asked for in the cache, by what came of it: hit, miss, damaged.',
    labels: ['result'],
  },
  runner_cache_served_bytes_total: { type: 'counter', help: 'Bytes of artifacts that the cache gave.', labels: [] },
  runner_cache_evicted_bytes_total: {
    type: 'counter',
    help: 'Bytes that were taken out of the cache to make room.',
    labels: [],
  },
  runner_environments_total: {
    type: 'counter',
    help: 'Shared Python environments that were built, found changed, or evicted.',
    labels: ['change'],
  },
  runner_events_dropped_total: {
    type: 'counter',
    help: 'Events that an event sink did not take.',
    labels: ['sink'],
  },
  runner_cores_capacity: { type: 'gauge', help: 'Cores for experiments in all.', labels: [] },
  runner_cores_free: { type: 'gauge', help: 'Cores that nobody holds.', labels: [] },
  runner_cores_granted: { type: 'gauge', help: 'Cores that attempts hold.', labels: [] },
  runner_memory_capacity_bytes: { type: 'gauge', help: 'Memory for experiments in all.', labels: [] },
  runner_memory_free_bytes: { type: 'gauge', help: 'Memory that nobody holds.', labels: [] },
  runner_memory_granted_bytes: { type: 'gauge', help: 'Memory that attempts hold.', labels: [] },
  runner_disk_capacity_bytes: { type: 'gauge', help: 'Disk for experiments in all.', labels: [] },
  runner_disk_free_bytes: { type: 'gauge', help: 'Disk that nobody holds.', labels: [] },
  runner_disk_granted_bytes: { type: 'gauge', help: 'Disk that attempts hold.', labels: [] },
  runner_gpus_capacity: { type: 'gauge', help: 'GPUs and MIG instances that are seen.', labels: [] },
  runner_gpus_free: { type: 'gauge', help: 'GPUs and MIG instances that can be granted now.', labels: [] },
  runner_gpus_granted: { type: 'gauge', help: 'GPUs and MIG instances that attempts hold.', labels: [] },
  runner_gpu_memory_capacity_bytes: { type: 'gauge', help: 'Memory of a GPU or MIG instance.', labels: gpu },
  runner_gpu_memory_used_bytes: {
    type: 'gauge',
    help: 'Memory in use on a GPU or MIG instance that an attempt holds, 0 while none does.',
    labels: gpu,
  },
  process_cpu_seconds_total: { type: 'counter', help: 'CPU time of the runner itself, user and system.', labels: [] },
  process_resident_memory_bytes: { type: 'gauge', help: 'Resident memory of the runner itself.', labels: [] },
  process_start_time_seconds: { type: 'gauge', help: 'When the runner started, since the epoch.', labels: [] },
});

export type MetricName = keyof typeof metricFamilies;
export type MetricLabels<N extends MetricName> = {
  readonly [L in (typeof metricFamilies)[N]['labels'][number]]: string;
};
