import { hostname } from 'node:os';
import { version } from '../lib/version.ts';
import type { Options } from '../lib/config/options.ts';
import type { EventBus } from '../lib/telemetry/events.ts';
import type { Redactor } from '../lib/telemetry/redact.ts';
import { createDrivers } from './drivers.ts';
import { createRunner, type Runner } from './runner.ts';

/** A queue that is missing for longer than two looks of discovery is gone. */
const goneAfterMs = 5000;

/**
 * Start serving what the options name.
 * @param redactor that the bus redacts with: it learns the secrets of requests
 */
export const startRunner = async (options: Options, bus: EventBus, redactor: Redactor): Promise<Runner> => {
  const { emit } = bus;
  const drivers = await createDrivers(options, emit, { redactor });
  emit('runner-started', { version: version(), host: hostname(), ...drivers.ledger.total });
  return createRunner({
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
};
