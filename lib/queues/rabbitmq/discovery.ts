import { Observable } from 'rxjs';
import { messageOf } from '../../errors.ts';
import { sleep } from '../../flow/wait.ts';
import type { Emit } from '../../telemetry/events.ts';
import { fetchManagement } from './management.ts';

/** The client's exchange, and what its routing keys start with. Source: spec "RabbitMQ". */
export const exchange = 'StudioML.topic';
export const routingPrefix = 'StudioML.';
const columns = 'destination,destination_type,routing_key';

export interface DiscoverySettings {
  /** With user and password, where it has its own. */
  readonly managementUrl: string;
  readonly vhost: string;
  readonly emit: Emit;
  /** Between two looks, ms. */
  readonly everyMs: number;
}

interface Binding {
  readonly destination?: unknown;
  readonly destination_type?: unknown;
  readonly routing_key?: unknown;
}

/** Queues that are never work: reports, and the runner's own. */
export const isWorkQueue = (name: string): boolean => !name.endsWith('_response') && !name.startsWith('studioml.');

const queuesOf = (bindings: readonly Binding[]): Set<string> =>
  new Set(
    bindings.flatMap(({ destination, destination_type: type, routing_key: key }) =>
      typeof destination === 'string' &&
      type === 'queue' &&
      String(key).startsWith(routingPrefix) &&
      isWorkQueue(destination)
        ? [destination]
        : [],
    ),
  );

const none: ReadonlySet<string> = new Set();

/**
 * The work queues bound to the client's exchange, one set a look; while nothing changes it is the same set. A look that fails is an
 * event and emits nothing, so that a blip takes no queue away. One call a look, for the three columns that are needed; a body
 * that is the same as the last one is not read: the API gives no ETag, and comparing bytes costs nothing beside parsing them.
 */
export const discoverByManagement = ({
  managementUrl,
  vhost,
  emit,
  everyMs,
}: DiscoverySettings): Observable<ReadonlySet<string>> =>
  new Observable<ReadonlySet<string>>(subscriber => {
    const controller = new AbortController();
    const { signal } = controller;
    const path = `/api/exchanges/${encodeURIComponent(vhost)}/${exchange}/bindings/source?columns=${columns}`;
    let lastBody: Buffer | undefined;
    let queues = none;
    const look = async (): Promise<ReadonlySet<string>> => {
      const body = await fetchManagement(managementUrl, path, signal);
      if (body === undefined) queues = none;
      else if (!lastBody?.equals(body)) {
        const bindings: unknown = JSON.parse(body.toString());
        queues = queuesOf(Array.isArray(bindings) ? (bindings as Binding[]) : []);
      }
      lastBody = body;
      return queues;
    };
    const loop = async () => {
      let said = '';
      while (!signal.aborted) {
        try {
          subscriber.next(await look());
          said = '';
        } catch (error) {
          if (signal.aborted) return;
          const words = messageOf(error);
          if (words !== said) emit('discovery-failed', { kind: 'rabbitmq', error: words });
          said = words;
        }
        await sleep(everyMs, signal).catch(() => undefined);
      }
    };
    void loop();
    return () => {
      controller.abort();
    };
  });
