import { connect, type Socket } from 'node:net';
import type { LineWriter, LineWriterOptions } from '../line-writer.ts';
import { createSender, type Sender } from './sender.ts';

export interface TcpPlace {
  readonly host: string;
  readonly port: number;
}

const connectMs = 10_000;
/** Nobody acknowledges lines on a connection: what was sent so shortly before its end may not have been read, ms. */
const unsureMs = 2000;
const unsureBytes = 256 * 1024;

interface Sent {
  readonly lines: readonly string[];
  readonly bytes: number;
  readonly atMs: number;
}

const connected = ({ host, port }: TcpPlace, signal: AbortSignal): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal });
    socket.unref();
    const late = setTimeout(() => socket.destroy(new Error('no connection in time')), connectMs).unref();
    const over = (error?: Error) => {
      clearTimeout(late);
      socket.off('error', over);
      if (error) reject(error);
      else resolve(socket);
    };
    socket.once('error', over).once('connect', () => over());
  });

/**
 * Lines over a TCP connection, which is made anew when it ends. What was sent in the two seconds before its end is sent again: a line
 * may come twice, so that none is lost unsaid.
 */
export const createTcpWriter = (place: TcpPlace, options: LineWriterOptions): LineWriter => {
  let socket: Socket | undefined;
  let recent: Sent[] = [];
  let again: string[] = [];

  const open = async (signal: AbortSignal): Promise<Socket> => {
    const fresh = await connected(place, signal);
    socket = fresh;
    // Nothing is expected; reading tells of the end.
    fresh.resume();
    fresh.on('error', () => undefined);
    fresh.on('end', () => fresh.destroy());
    fresh.once('close', () => {
      if (socket !== fresh) return;
      socket = undefined;
      const sinceMs = performance.now() - unsureMs;
      again = [...recent.filter(({ atMs }) => atMs >= sinceMs).flatMap(({ lines }) => lines), ...again];
      recent = [];
      if (again.length > 0) sender.nudge();
    });
    return fresh;
  };

  const write = (to: Socket, lines: readonly string[]): Promise<void> =>
    new Promise((resolve, reject) => {
      const closed = () => reject(new Error('the connection ended'));
      to.once('close', closed);
      to.write(lines.join(''), error => {
        to.off('close', closed);
        if (error) reject(error);
        else resolve();
      });
    });

  const remember = (lines: readonly string[]) => {
    const atMs = performance.now();
    recent.push({ lines, bytes: lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0), atMs });
    let bytes = recent.reduce((sum, one) => sum + one.bytes, 0);
    while (recent.length > 1 && (bytes > unsureBytes || (recent[0]?.atMs ?? atMs) < atMs - unsureMs))
      bytes -= recent.shift()?.bytes ?? 0;
  };

  const sender: Sender = createSender(
    {
      send: async (lines, signal) => {
        const to = socket ?? (await open(signal));
        const all = [...again, ...lines];
        await write(to, all);
        again = [];
        remember(all);
      },
      unsure: () => again.length,
      close: () => socket?.destroy(),
    },
    { ...options, batchBytes: 64 * 1024, retryMs: 200, maxRetryMs: 10_000 },
  );
  return sender;
};
