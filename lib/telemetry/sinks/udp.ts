import { createSocket } from 'node:dgram';
import type { LineWriter, LineWriterOptions } from '../line-writer.ts';
import type { TcpPlace } from './tcp.ts';
import { createSender, RefusedBatch } from './sender.ts';

/** What fits into one datagram, with room for headers. */
const mostBytes = 60_000;

/** Each line a datagram. What gets lost on the way nobody tells. */
export const createUdpWriter = ({ host, port }: TcpPlace, options: LineWriterOptions): LineWriter => {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4').unref();
  socket.on('error', error => options.onError(error));
  return createSender(
    {
      send: ([line = '']) =>
        new Promise((resolve, reject) => {
          const bytes = Buffer.from(line.trimEnd());
          if (bytes.length > mostBytes) {
            reject(new RefusedBatch(`an event of ${String(bytes.length)} bytes is too large for a datagram`));
            return;
          }
          socket.send(bytes, port, host, error => {
            if (error) reject(error);
            else resolve();
          });
        }),
      close: () => socket.close(),
    },
    { ...options, batchBytes: 1 },
  );
};
