import type { Test } from 'tap';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { startFaultProxy } from './fault-proxy.ts';
import { needS3 } from './s3.ts';

/**
 * A real S3 server, and the way to it over a connection that fails as it is told to; undefined where there is no server.
 * @param idleMs without any data for so long a call has failed: short where one is to stall, long where tries are counted
 */
export const shakyS3 = async (t: Test, idleMs = 10_000) => {
  const place = await needS3(t);
  if (!place) return undefined;
  const proxy = await startFaultProxy(place.endpoint);
  t.teardown(() => proxy.close());
  const events: RunnerEvent[] = [];
  const { events$, emit } = createEventBus();
  events$.subscribe(event => events.push(event));
  return {
    place,
    proxy,
    emit,
    retries: () => events.filter(({ event }) => event === 'store-retry').map(({ fields }) => fields),
    shaky: place.open({ endpoint: proxy.endpoint, idleMs }),
    direct: place.open(),
  };
};
