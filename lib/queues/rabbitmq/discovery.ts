import { Observable } from 'rxjs';
import { messageOf } from '../../errors.ts';
import { sleep } from '../../flow/wait.ts';
import type { Emit } from '../../telemetry/events.ts';

/** The client's exchange, and what its routing keys start with. Source: spec "RabbitMQ". */
export const exchange = 'StudioML.topic';
export const routingPrefix = 'StudioML.';

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

/** A GET of the management API; undefined for 404. Its URL's user and password go into the header. */
export const ask = async (managementUrl: string, path: string, signal: AbortSignal): Promise<unknown> => {
  const url = new URL(path, managementUrl);
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  const response = await fetch(url, {
    headers: { authorization: `Basic ${Buffer.from(login).toString('base64')}` },
    signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
  });
  if (response.status === 404) {
    await response.body?.cancel();
    return undefined;
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`the management API answered ${String(response.status)} ${response.statusText} [host=${url.host}]`);
  }
  return response.json();
};

/**
 * The work queues bound to the client's exchange, one set a look. A look that fails is an event and emits nothing, so that a blip
 * takes no queue away.
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
    const path = `/api/exchanges/${encodeURIComponent(vhost)}/${exchange}/bindings/source`;
    const loop = async () => {
      let said = '';
      while (!signal.aborted) {
        try {
          const bindings = (await ask(managementUrl, path, signal)) ?? [];
          subscriber.next(queuesOf(Array.isArray(bindings) ? (bindings as Binding[]) : []));
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
