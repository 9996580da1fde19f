import { resolve } from 'node:path';
import type { RemotePlace } from '../telemetry/sinks/remote-place.ts';

/** A place that events are written to. */
export type SinkPlace = { readonly type: 'stdout' } | { readonly type: 'file'; readonly path: string } | RemotePlace;

const packagePattern = /^((?:@[\w.-]+\/)?[\w-]+)(?:\?(.*))?$/s;
const schemePattern = /^([a-z+]+):\/\//i;
const expected =
  'expected - for stdout, a path (./events), tcp://host:port, http(s)://…, syslog://host:port, syslog+udp://host:port, or a pino transport package';

/** What follows `?`: each value as JSON where it is, else as text. */
const optionsOf = (query: string): Readonly<Record<string, unknown>> => {
  const read = (text: string): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  };
  return Object.fromEntries([...new URLSearchParams(query)].map(([name, value]) => [name, read(value)]));
};

const placeOfUrl = (sink: string): SinkPlace | undefined => {
  const scheme = schemePattern.exec(sink)?.[1]?.toLowerCase();
  if (scheme === 'http' || scheme === 'https') return URL.canParse(sink) ? { type: 'http', url: sink } : undefined;
  // The rules for hosts and ports are those of http.
  const plain = sink.replace(schemePattern, 'http://');
  if (!URL.canParse(plain)) return undefined;
  const { hostname, port, pathname, search, username } = new URL(plain);
  if (hostname === '' || pathname !== '/' || search !== '' || username !== '') return undefined;
  const host = hostname.replace(/^\[|\]$/g, '');
  if (scheme === 'tcp' && port !== '') return { type: 'tcp', host, port: Number(port) };
  if (scheme === 'syslog' || scheme === 'syslog+tcp')
    return { type: 'syslog', protocol: 'tcp', host, port: Number(port || 514) };
  if (scheme === 'syslog+udp') return { type: 'syslog', protocol: 'udp', host, port: Number(port || 514) };
  return undefined;
};

/** The place that a name in EVENTS stands for; undefined where it is none. */
export const sinkPlace = (sink: string): SinkPlace | undefined => {
  if (sink === '-') return { type: 'stdout' };
  if (schemePattern.test(sink)) return placeOfUrl(sink);
  const [, name, query = ''] = packagePattern.exec(sink) ?? [];
  if (name !== undefined) return { type: 'package', name, options: optionsOf(query) };
  return { type: 'file', path: resolve(sink) };
};

/** Where events go, for people and free of secrets: no user, no password, no options. */
export const sinkName = (sink: string): string => {
  const place = sinkPlace(sink);
  if (place?.type === 'http') return new URL(place.url).origin + new URL(place.url).pathname;
  return place?.type === 'package' ? place.name : sink;
};

/** Why a name in EVENTS is no sink; undefined where it is one. */
export const sinkFault = (sink: string): string | undefined => {
  if (sinkPlace(sink) !== undefined) return undefined;
  return `found "${schemePattern.exec(sink)?.[0] ?? ''}…", ${expected}`;
};
