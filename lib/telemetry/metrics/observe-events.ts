import type { Observable } from 'rxjs';
import type { RunnerEvent } from '../events.ts';
import type { Metrics } from './metrics.ts';
import { queueType } from './queue-type.ts';

/** Fields of an event as what they are in the table of events. */
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const number = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) ? value : 0);
const spanOf = /^(?!queued_|wall_)(\w+)_ms$/;

/**
 * Count what happens. An observer like any other: nothing waits for it.
 * @param host the host's name, a label of the metrics that the Go runner had
 */
export const observeEvents = (events$: Observable<RunnerEvent>, metrics: Metrics, host: string): void => {
  /** By the queue's name: events do not say the kind of theirs. */
  const types = new Map<string, string>();
  /** Experiments that run, by attempt. */
  const running = new Map<string, RunnerEvent>();

  const queueOf = ({ queue = '' }: RunnerEvent) => ({ queue_type: types.get(queue) ?? '', queue_name: queue });
  const experimentOf = (event: RunnerEvent) => ({
    host,
    ...queueOf(event),
    project: event.project ?? '',
    experiment: event.experiment ?? '',
  });

  const ends = (event: RunnerEvent) => {
    const started = running.get(event.attempt ?? '');
    if (!started) return;
    running.delete(event.attempt ?? '');
    metrics.set('runner_project_running', experimentOf(started), 0);
    metrics.add('runner_experiments_running', queueOf(started), -1);
  };

  const settled = (event: RunnerEvent) => {
    const { settlement, cause, timings } = event.fields;
    const spans = Object.entries((timings ?? {}) as Record<string, unknown>);
    metrics.add('runner_attempts_total', { ...queueOf(event), cause: text(cause), settlement: text(settlement) });
    if (settlement === 'release') metrics.add('runner_queue_ignored', { host, ...queueOf(event) });
    else if (spans.some(([name]) => name === 'run_ms')) metrics.add('runner_project_completed', experimentOf(event));
    for (const [name, ms] of spans) {
      const stage = spanOf.exec(name)?.[1];
      if (stage !== undefined) metrics.observe('runner_stage_duration_seconds', { stage }, number(ms) / 1000);
      else if (name === 'queued_ms')
        metrics.observe('runner_queue_wait_seconds', { queue_type: queueOf(event).queue_type }, number(ms) / 1000);
    }
  };

  events$.subscribe(event => {
    const { fields, queue } = event;
    switch (event.event) {
      case 'queue-found':
      case 'queue-ignored':
        if (queue !== undefined && fields['kind'] !== undefined) types.set(queue, queueType(text(fields['kind'])));
        if (event.event === 'queue-ignored') metrics.add('runner_queue_ignored', { host, ...queueOf(event) });
        break;
      case 'discovery-failed': {
        const type = queueType(text(fields['kind']));
        metrics.add('runner_queue_refresh_fail', { host, project: type });
        metrics.add('runner_queue_looks_total', { queue_type: type, result: 'failure' });
        break;
      }
      case 'broker-connected':
      case 'broker-lost':
        metrics.set(
          'runner_broker_connected',
          { queue_type: queueType(text(fields['kind'])), broker: text(fields['broker']) },
          event.event === 'broker-connected' ? 1 : 0,
        );
        break;
      case 'started':
        running.set(event.attempt ?? '', event);
        metrics.set('runner_project_running', experimentOf(event), 1);
        metrics.add('runner_experiments_running', queueOf(event), 1);
        break;
      case 'ended':
        ends(event);
        break;
      case 'settled':
        ends(event);
        settled(event);
        break;
      case 'settle-failed':
        ends(event);
        break;
      case 'staged':
        metrics.add('runner_staged_in_bytes_total', {}, number(fields['bytes']));
        break;
      case 'checkpointed':
      case 'stored':
        metrics.add('runner_staged_out_bytes_total', {}, number(fields['bytes']));
        break;
      case 'store-retry':
        metrics.add('runner_store_retries_total', { operation: text(fields['operation']) });
        break;
      case 'cache-hit':
        metrics.add('runner_cache_hits', { host, hash: text(fields['hash']) });
        metrics.add('runner_cache_requests_total', { result: 'hit' });
        metrics.add('runner_cache_served_bytes_total', {}, number(fields['bytes']));
        break;
      case 'cache-miss':
        // Where the store tells no etag there is no hash.
        metrics.add('runner_cache_misses', { host, hash: text(fields['hash']) });
        metrics.add('runner_cache_requests_total', { result: 'miss' });
        break;
      case 'cache-damaged':
        metrics.add('runner_cache_requests_total', { result: 'damaged' });
        break;
      case 'cache-evicted':
        metrics.add('runner_cache_evicted_bytes_total', {}, number(fields['bytes']));
        break;
      case 'environment-built':
      case 'environment-changed':
      case 'environment-evicted':
        metrics.add('runner_environments_total', { change: event.event.replace('environment-', '') });
        break;
      case 'sink-back':
        metrics.add('runner_events_dropped_total', { sink: text(fields['sink']) }, number(fields['dropped']));
        break;
      default:
    }
  });
};
