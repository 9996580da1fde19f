import { connect, isIP, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { SignedGet } from '../object-store.ts';
import { parseHead, ReplyError } from './reply-head.ts';

/** For what comes before there is room for it: the head of a reply, and what TLS gives at once. Source: RFC 8446, "Record Layer". */
const recordBytes = 16 * 1024;

/** Takes the bytes of a reply. */
export interface Sink {
  /** Where the next bytes may be put; undefined where there is no room. May throw. */
  room(): Buffer | undefined;
  /** The beginning of that room, with bytes in it. */
  put(piece: Buffer): void;
  /** Resolves when there is room again. */
  roomAgain(): Promise<void>;
}

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
 * The body of one reply, read from its connection to where the sink wants it. Node's http makes two new buffers of each 64 KiB, which
 * takes five times the CPU (measured).
 * @param expected the bytes that are asked for
 * Errors: ReplyError with the status where that is not 200 or 206, or where the reply is not those bytes; those of the connection and
 * of the sink.
 */
export const getRange = (
  get: SignedGet,
  expected: { readonly fromByte: number; readonly bytes: number },
  sink: Sink,
): Promise<void> =>
  new Promise((resolve, reject) => {
    let head = '';
    let left = expected.bytes;
    let isBody = false;
    let isWaiting = false;
    let isOver = false;
    let isClosed = false;
    /** What came when there was no room: TLS gives all that it has decrypted, even where it was asked to stop. */
    let backlog: Buffer[] = [];
    /** The room that the next read was given. */
    let room: Buffer | undefined;
    const end = (error?: Error) => {
      if (isOver) return;
      isOver = true;
      backlog = [];
      if (error) reject(error);
      else resolve();
      socket.destroy();
    };
    /** Put what waits, as far as there is room. */
    const putBacklog = () => {
      for (let piece = backlog.shift(); piece; piece = backlog.shift()) {
        const place = sink.room();
        const count = place ? piece.copy(place) : 0;
        if (place && count > 0) sink.put(place.subarray(0, count));
        if (count < piece.length) backlog.unshift(piece.subarray(count));
        if (!place) return;
      }
    };
    /** What comes of what has come. Out: whether to read on at once. */
    const goesOn = (): boolean => {
      putBacklog();
      if (backlog.length > 0 || (left > 0 && !sink.room())) {
        isWaiting = true;
        sink.roomAgain().then(goOn, end);
        return false;
      }
      if (left === 0) end();
      else if (isClosed) end(new Error('the connection ended before the reply was whole'));
      return !isOver;
    };
    /** Work whose failure ends it. */
    const safely = <T>(work: () => T, otherwise: T): T => {
      try {
        return work();
      } catch (error) {
        end(error as Error);
        return otherwise;
      }
    };
    const goOn = () => {
      isWaiting = false;
      if (isOver || !safely(goesOn, false)) return;
      socket.setTimeout(get.idleMs);
      socket.resume();
    };
    const arrived = (count: number) => {
      if (count > left) throw new ReplyError('the reply is longer than it says');
      left -= count;
    };
    const onHead = (piece: Buffer) => {
      const before = head.length;
      head += piece.toString('latin1');
      const length = parseHead(head, expected);
      if (length === undefined) return;
      isBody = true;
      const body = piece.subarray(length - before);
      arrived(body.length);
      if (body.length > 0) backlog.push(body);
    };
    const onRead = (count: number, buffer: Uint8Array): boolean => {
      if (isOver) return false;
      const piece = Buffer.from(buffer.buffer, buffer.byteOffset, count);
      if (!isBody) {
        onHead(piece);
        return isBody ? goesOn() : true;
      }
      arrived(count);
      if (buffer === room) sink.put(piece);
      else backlog.push(piece);
      return isWaiting ? false : goesOn();
    };
    // Asked for after each piece, for the next one.
    const nextBuffer = () => {
      room = isBody && !isWaiting && !isOver ? safely(() => sink.room(), undefined) : undefined;
      return room ?? Buffer.allocUnsafeSlow(recordBytes);
    };
    const socket = open(get, {
      buffer: nextBuffer,
      callback: (count, buffer) => safely(() => onRead(count, buffer), false),
    });
    socket.setTimeout(get.connectMs, () => {
      if (isWaiting) return;
      end(new Error(socket.connecting ? 'no connection in time' : `no data for ${String(get.idleMs)} ms`));
    });
    socket.on(get.tls ? 'secureConnect' : 'connect', () => {
      socket.setTimeout(get.idleMs);
      socket.setNoDelay(true);
      socket.write(`${headOf(get)}\r\n`);
    });
    socket.on('error', end);
    socket.on('close', () => {
      isClosed = true;
      // What waits may be all there is.
      if (!isWaiting) safely(goesOn, false);
    });
  });
