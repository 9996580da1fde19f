import type { EventFormat } from '../json-format.ts';
import type { LineWriter, LineWriterOptions } from '../line-writer.ts';
import type { RemotePlace } from './remote-place.ts';

/** How events are written to a place that does not have them as the others. */
export const remoteFormat = async (
  place: Extract<RemotePlace, { readonly type: 'syslog' | 'package' }>,
  runner: string,
): Promise<EventFormat> => {
  if (place.type === 'package') return (await import('./pino-format.ts')).pinoFormat(runner);
  return (await import('./syslog-format.ts')).syslogFormat(runner, place.protocol === 'tcp');
};

/** Each kind is loaded when it is asked for. Errors: those of createPackageWriter. */
export const createRemoteWriter = async (place: RemotePlace, options: LineWriterOptions): Promise<LineWriter> => {
  switch (place.type) {
    case 'tcp':
      return (await import('./tcp.ts')).createTcpWriter(place, options);
    case 'http':
      return (await import('./http.ts')).createHttpWriter(place.url, options);
    case 'syslog':
      return place.protocol === 'tcp'
        ? (await import('./tcp.ts')).createTcpWriter(place, options)
        : (await import('./udp.ts')).createUdpWriter(place, options);
    case 'package':
      return (await import('./package.ts')).createPackageWriter(place, options);
    default:
      return place satisfies never;
  }
};
