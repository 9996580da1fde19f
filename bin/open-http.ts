import type { Options } from '../lib/config/options.ts';
import { messageOf, OptionsError } from '../lib/errors.ts';
import { hostAndPort, parseAddress } from '../lib/http/address.ts';
import { startHttp, type HttpServer } from '../lib/http/server.ts';
import type { Emit } from '../lib/telemetry/events.ts';
import { routesOf, type Asked } from '../pipelines/http.ts';

/**
 * Listen at PROM_ADDRESS. Where that is the default and can not be had, the runner goes on without.
 * Errors: OptionsError where it was set by hand.
 */
export const openHttp = async (
  options: Options,
  emit: Emit,
  runner: () => Asked | undefined,
): Promise<HttpServer | undefined> => {
  const address = parseAddress(options.promAddress);
  try {
    if (!address) throw new Error('expected HOST:PORT or :PORT');
    const http = await startHttp({ address, routes: routesOf(runner), token: options.statusToken });
    emit('http-listening', { address: hostAndPort(http.address) });
    return http;
  } catch (error) {
    if (options.given.has('promAddress'))
      throw new OptionsError([
        `--prom-address (PROM_ADDRESS): can not listen at "${options.promAddress}": ${messageOf(error)}`,
      ]);
    emit('http-unavailable', { address: options.promAddress, error: messageOf(error) });
    return undefined;
  }
};
