import { followFile } from '../lib/output/follow-file.ts';
import type { EventBus } from '../lib/telemetry/events.ts';
import { createMetrics, type Metrics } from '../lib/telemetry/metrics/metrics.ts';
import { collectMachine } from '../lib/telemetry/metrics/collect-machine.ts';
import { observeEvents } from '../lib/telemetry/metrics/observe-events.ts';
import { queueType } from '../lib/telemetry/metrics/queue-type.ts';
import { createReadiness, type Readiness } from '../lib/telemetry/readiness.ts';
import type { QueueBroker } from '../lib/queues/queue.ts';
import { version } from '../lib/version.ts';
import type { Drivers } from './drivers.ts';
import type { Asked } from './http.ts';
import type { Runner } from './runner.ts';
import { scaleOf } from './scale.ts';
import { why } from './why.ts';

/** What watches a runner from before its start. */
export interface Observed {
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  /** A broker gave its list of queues. */
  readonly onLook: (broker: QueueBroker) => void;
}

/** Count and remember what happens from now on. */
export const observe = ({ events$ }: EventBus, host: string): Observed => {
  const metrics = createMetrics();
  observeEvents(events$, metrics, host);
  return {
    metrics,
    readiness: createReadiness(events$),
    onLook: ({ kind }) => {
      const type = queueType(kind);
      metrics.add('runner_queue_refresh_success', { host, project: type });
      metrics.add('runner_queue_looks_total', { queue_type: type, result: 'success' });
    },
  };
};

/** What a runner answers at its HTTP address. */
export const answersOf = (runner: Runner, drivers: Drivers, { metrics, readiness }: Observed): Asked => {
  const { demand, ledger, delays, live } = drivers;
  const remembered = { demand, ledger, delays, now: Date.now };
  const notReady = (): readonly string[] => [
    ...readiness.reasons(),
    ...(drivers.quarantine.reason === undefined ? [] : [drivers.quarantine.reason]),
    ...runner
      .all()
      .flatMap(({ broker, looked, queues }) => [
        ...(looked ? [] : [`the queues are not known yet [kind=${broker.kind}]`]),
        ...queues.flatMap(({ name, refused }) => (refused === undefined ? [] : [`${refused} [queue=${name}]`])),
      ]),
  ];
  collectMachine(metrics, {
    version: version(),
    total: ledger.total,
    free: () => ledger.free,
    gpus: () => ledger.cards.states,
    ready: () => notReady().length === 0,
  });
  return {
    why: name =>
      runner
        .known(name)
        .map(queue => why({ ...queue, refused: drivers.quarantine.reason ?? queue.refused }, remembered)),
    notReady,
    scale: signal => scaleOf(runner.all(), queue => demand.stateOf(queue).running, signal),
    metrics: () => metrics.text(),
    tail: experiment => {
      const [one] = live.find(experiment);
      return one && followFile(one.outputFile, one.ended);
    },
    cancel: experiment => {
      const found = live.find(experiment);
      for (const one of found) one.cancel('http');
      return found.length > 0;
    },
  };
};
