import { hostname } from 'node:os';
import { ownCluster } from '../lib/cluster/api.ts';
import { version } from '../lib/version.ts';
import type { Options } from '../lib/config/options.ts';
import type { EventBus } from '../lib/telemetry/events.ts';
import { queueType } from '../lib/telemetry/metrics/queue-type.ts';
import type { Redactor } from '../lib/telemetry/redact.ts';
import { answersOf, observe } from './asked.ts';
import { createDrivers } from './drivers.ts';
import type { Asked } from './http.ts';
import { createLimits } from './limits.ts';
import { enter, followStates } from './states.ts';
import { createRunner, type Runner } from './runner.ts';

/** Between the two looks that say that a queue is gone: changes of a directory may be looked at quickly one after another. */
const goneAfterMs = 1500;

/**
 * Start serving what the options name.
 * @param redactor that the bus redacts with: it learns the secrets of requests
 */
export const startRunner = async (options: Options, bus: EventBus, redactor: Redactor): Promise<Runner & Asked> => {
  const { emit } = bus;
  const host = hostname();
  const observed = observe(bus, host);
  const drivers = await createDrivers(options, emit, {
    redactor,
    onAsked: ({ kind, name }) => {
      observed.metrics.add('runner_queue_checked', { host, queue_type: queueType(kind), queue_name: name });
    },
  });
  const { slackHook: hook, slackRoom: room } = options;
  const slack =
    hook === undefined
      ? undefined
      : (await import('../lib/telemetry/slack.ts')).tellSlack({
          ...{ hook, room, host, emit },
          events$: bus.events$,
          aboutAttempt: attempt => drivers.live.about(attempt),
        });
  emit('runner-started', { version: version(), host, ...drivers.ledger.total });
  const limits = createLimits({
    tasks: options.limitTasks,
    idleMs: options.limitIdleDurationMs,
    intervalMs: options.limitIntervalMs,
    stop: why => runner.stop({ finish: true, why }),
  });
  const runner: Runner = createRunner({
    emit,
    brokers: drivers.brokers,
    matches: name => options.queueMatch.test(name) && !options.queueMismatch?.test(name),
    refuses: ({ name }) => drivers.keys.refusal(name),
    changes$: drivers.keys.changed$,
    onLook: observed.onLook,
    contextFor: (queue, stop, broker) => {
      const context = drivers.contextFor(queue, stop, { reporter: broker.reporter?.(queue.name) });
      return { ...context, takeNext: limits.limited(context.takeNext) };
    },
    onSettled: limits.settled,
    drainMs: options.drainTimeoutMs,
    goneAfterMs,
    kill: drivers.kill,
    close: async () => {
      limits.close();
      await drivers.close();
      await slack?.close();
    },
  });
  const cluster = ownCluster(process.env);
  for (const option of ['K8S_NAMESPACE', 'K8S_CONFIGMAP']) {
    if (!cluster && process.env[option])
      emit('option-ignored', { option, why: 'the runner is no pod with a token of its cluster' });
  }
  // A runner that is started again while its state says not to run must not take anything before it has heard so.
  if (cluster) enter('DrainAndSuspend', runner, drivers.demand);
  const states =
    cluster &&
    followStates({
      api: cluster,
      namespace: options.k8sNamespace,
      names: [options.k8sConfigmap, host],
      emit,
      onState: state => {
        enter(state, runner, drivers.demand);
      },
    });
  void runner.finished.then(() => states?.close());
  return { ...runner, ...answersOf(runner, drivers, observed) };
};
