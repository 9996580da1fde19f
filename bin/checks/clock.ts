import type { Options } from '../../lib/config/options.ts';
import type { Check, Finding } from './check.ts';

/** Signatures of S3 allow a quarter of an hour; lifetimes and leases are judged by clocks too. */
const mostMs = 30_000;

/** Some service that is configured and tells the time. */
const placeOf = ({ amqpMgtUrls }: Options): string | undefined => {
  const store = process.env['SUBMIT_STORE'];
  return [store, ...amqpMgtUrls].find(url => url !== undefined && /^https?:\/\//.test(url));
};

/** This machine's clock beside that of a service: an HTTP answer tells its own. */
export const clockCheck: Check = {
  name: 'clock',
  run: async (options, signal): Promise<Finding> => {
    const place = placeOf(options);
    if (place === undefined)
      return { status: 'ok', found: `${new Date().toISOString()}; no service to compare it with` };
    const { origin, host } = new URL(place);
    let reply: Response;
    try {
      reply = await fetch(origin, { signal, redirect: 'manual' });
    } catch {
      signal.throwIfAborted();
      return { status: 'warning', found: `${host} can not be asked for the time` };
    }
    await reply.body?.cancel();
    const told = Date.parse(reply.headers.get('date') ?? '');
    if (Number.isNaN(told)) return { status: 'ok', found: `${new Date().toISOString()}; ${host} tells no time` };
    // It tells whole seconds.
    const offMs = Math.max(0, Math.abs(Date.now() - told) - 1000);
    const found = `${(offMs / 1000).toFixed(1)} s off that of ${host}`;
    if (offMs <= mostMs) return { status: 'ok', found };
    return { status: 'failure', found, expected: 'the same time', remedy: 'set the clock: run an NTP client' };
  },
};
