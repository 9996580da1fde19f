import { hostname } from 'node:os';
import { version } from '../lib/version.ts';
import type { Options } from '../lib/config/options.ts';
import type { EventBus } from '../lib/telemetry/events.ts';
import type { Redactor } from '../lib/telemetry/redact.ts';
import { createDrivers } from './drivers.ts';
import type { Asked } from './http.ts';
import { createRunner, type Runner } from './runner.ts';
import { why } from './why.ts';

/** Between the two looks that say that a queue is gone: changes of a directory may be looked at quickly one after another. */
const goneAfterMs = 1500;

/**
 * Start serving what the options name.
 * @param redactor that the bus redacts with: it learns the secrets of requests
 */
export const startRunner = async (options: Options, bus: EventBus, redactor: Redactor): Promise<Runner & Asked> => {
  const { emit } = bus;
  const drivers = await createDrivers(options, emit, { redactor });
  emit('runner-started', { version: version(), host: hostname(), ...drivers.ledger.total });
  const runner = createRunner({
    emit,
    brokers: drivers.brokers,
    matches: name => options.queueMatch.test(name) && !options.queueMismatch?.test(name),
    refuses: ({ name }) => drivers.keys.refusal(name),
    changes$: drivers.keys.changed$,
    contextFor: (queue, stop, broker) => drivers.contextFor(queue, stop, { reporter: broker.reporter?.(queue.name) }),
    drainMs: options.drainTimeoutMs,
    goneAfterMs,
    kill: drivers.kill,
    close: drivers.close,
  });
  const remembered = { demand: drivers.demand, ledger: drivers.ledger, delays: drivers.delays, now: Date.now };
  return {
    ...runner,
    why: name =>
      runner
        .known(name)
        .map(queue => why({ ...queue, refused: drivers.quarantine.reason ?? queue.refused }, remembered)),
  };
};
