import { connect, isIP, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { SignedGet } from '../object-store.ts';
import { parseHead, ReplyError } from './reply-head.ts';

/** What a read of a connection gives at once; the kernel gives less. */
const readBytes = 128 * 1024;

const open = ({ tls, host, port }: SignedGet, onread: OnReadOpts): Socket => {
  if (!tls) return connect({ host, port, onread });
  const { ca, cert, key } = tls;
  return connectTls({
    ...{ host, port, onread, ALPNProtocols: ['http/1.1'] },
    ...(isIP(host) ? {} : { servername: host }),
    ...(ca ? { ca: [...ca] } : {}),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
};

const headOf = ({ path, headers }: SignedGet): string =>
  [`GET ${path} HTTP/1.1`, ...Object.entries({ ...headers, connection: 'close' }).map(pair => pair.join(': '))]
    .map(line => `${line}\r\n`)
    .join('');

/**
 * The body of one reply, as it comes off its connection: into one buffer that is used again and again. Node's http makes two new
 * buffers of each 64 KiB, which takes five times the CPU (measured).
 * @param expected the bytes that are asked for @param onBytes told of each piece, which is overwritten when this returns or its
 * promise resolves
 * Errors: ReplyError with the status where that is not 200 or 206, or where the reply is not those bytes; those of the connection.
 */
export const getRange = (
  get: SignedGet,
  expected: { readonly fromByte: number; readonly bytes: number },
  onBytes: (piece: Buffer) => Promise<void> | undefined,
): Promise<void> =>
  new Promise((resolve, reject) => {
    let head = '';
    let left = expected.bytes;
    let isBody = false;
    let isWaiting = false;
    const fail = (error: Error) => {
      reject(error);
      socket.destroy();
    };
    /** A piece of the body, within what was asked for. Out: whether to read on at once. */
    const take = (piece: Buffer): boolean => {
      if (piece.length > left) throw new ReplyError('the reply is longer than it says');
      left -= piece.length;
      const wait = piece.length > 0 ? onBytes(piece) : undefined;
      const done = () => {
        if (left > 0) return;
        resolve();
        socket.destroy();
      };
      if (!wait) {
        done();
        return true;
      }
      isWaiting = true;
      wait.then(() => {
        isWaiting = false;
        done();
        socket.setTimeout(get.idleMs);
        socket.resume();
      }, fail);
      return false;
    };
    const onRead = (count: number, buffer: Uint8Array): boolean => {
      const piece = Buffer.from(buffer.buffer, buffer.byteOffset, count);
      try {
        if (isBody) return take(piece);
        const before = head.length;
        head += piece.toString('latin1');
        const length = parseHead(head, expected);
        if (length === undefined) return true;
        isBody = true;
        return take(piece.subarray(length - before));
      } catch (error) {
        fail(error as Error);
        return false;
      }
    };
    const buffer = Buffer.allocUnsafeSlow(readBytes);
    const socket = open(get, { buffer, callback: onRead });
    socket.setTimeout(get.connectMs, () => {
      if (isWaiting) return;
      fail(new Error(socket.connecting ? 'no connection in time' : `no data for ${String(get.idleMs)} ms`));
    });
    socket.on(get.tls ? 'secureConnect' : 'connect', () => {
      socket.setTimeout(get.idleMs);
      socket.setNoDelay(true);
      socket.write(`${headOf(get)}\r\n`);
    });
    socket.on('error', fail);
    socket.on('close', () => {
      // What is being taken may be all there is.
      if (!isWaiting || left > 0) reject(new Error('the connection ended before the reply was whole'));
    });
  });
