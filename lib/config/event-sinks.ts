import { resolve } from 'node:path';

/** A place that events are written to. */
export type SinkPlace = { readonly type: 'stdout' } | { readonly type: 'file'; readonly path: string };

const isPackage = (sink: string): boolean => /^(@[\w.-]+\/)?[\w-]+(\?.*)?$/.test(sink);

/** Why a name in EVENTS is no sink of this release; undefined where it is one. */
export const sinkFault = (sink: string): string | undefined => {
  const expected = 'expected - for stdout or the path of a file';
  const scheme = /^([a-z]+):\/\//i.exec(sink)?.[0];
  if (scheme !== undefined) return `found "${scheme}…", which is not yet supported; ${expected}`;
  if (sink !== '-' && isPackage(sink))
    return `found "${sink.replace(/\?.*/s, '')}", which would be a transport package, not yet supported; ${expected} (./${sink.replace(/\?.*/s, '')})`;
  return undefined;
};

/** The place that a name in EVENTS stands for; the name has no fault. */
export const sinkPlace = (sink: string): SinkPlace =>
  sink === '-' ? { type: 'stdout' } : { type: 'file', path: resolve(sink) };
