import { once } from 'node:events';
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** What becomes of one request: `pass`, or a fault. */
export type Fault =
  | 'pass'
  /** The connection is reset before anything is said. */
  | 'reset'
  /** Passed on and done, but the connection is reset instead of the reply. */
  | 'unanswered'
  /** Nothing is ever said. */
  | 'silence'
  /** The reply does not tell how long it is. */
  | 'unsized'
  /** A refusal as S3 writes it. */
  | { readonly status: number; readonly code: string }
  /** The connection is reset after so many bytes of the reply's body. */
  | { readonly cutAfterBytes: number }
  /** After so many bytes of the reply's body nothing more comes. */
  | { readonly stallAfterBytes: number }
  /** One bit of the reply's body is another one. */
  | { readonly flipByte: number }
  /** The reply's body comes no faster. */
  | { readonly bytesPerSecond: number };

export interface FaultProxy {
  readonly endpoint: string;
  /** Asked for each request. */
  decide: (request: IncomingMessage) => Fault;
  /** Requests so far: `GET /bucket/key`, with what the proxy made of them. */
  readonly seen: { readonly line: string; readonly range: string | undefined; readonly fault: Fault }[];
  /** Reset every connection that is open. */
  cut(): void;
  close(): Promise<void>;
}

const cutter = (fault: Exclude<Fault, string>, response: ServerResponse): Transform => {
  let passed = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const from = passed;
      passed += chunk.length;
      if ('flipByte' in fault && fault.flipByte >= from && fault.flipByte < passed) {
        const damaged = Buffer.from(chunk);
        damaged[fault.flipByte - from] = (damaged[fault.flipByte - from] ?? 0) ^ 1;
        done(null, damaged);
      } else if ('cutAfterBytes' in fault && passed > fault.cutAfterBytes) {
        response.write(chunk.subarray(0, fault.cutAfterBytes - from), () => response.socket?.resetAndDestroy());
      } else if ('stallAfterBytes' in fault && passed > fault.stallAfterBytes) {
        this.push(chunk.subarray(0, fault.stallAfterBytes - from));
      } else if ('bytesPerSecond' in fault) {
        void sleep((chunk.length / fault.bytesPerSecond) * 1000).then(() => {
          done(null, chunk);
        });
      } else done(null, chunk);
    },
  });
};

/** An HTTP way to a loopback service that goes wrong as the test says, request by request. */
export const startFaultProxy = async (target: string): Promise<FaultProxy> => {
  const { hostname, port } = new URL(target);
  const server = createServer((request, response) => {
    const fault = proxy.decide(request);
    const { method, url, headers } = request;
    proxy.seen.push({ line: `${method} ${url}`, range: headers.range, fault });
    if (fault === 'reset') {
      request.socket.resetAndDestroy();
      return;
    }
    if (fault === 'silence') {
      request.resume();
      return;
    }
    if (typeof fault === 'object' && 'status' in fault) {
      // What is on its way is taken first: a reply in the midst of it could be lost with the connection.
      request.resume().on('end', () => {
        response.writeHead(fault.status, { 'content-type': 'application/xml' });
        response.end(`<Error><Code>${fault.code}</Code><Message>as the test says</Message></Error>`);
      });
      return;
    }
    const upstream = ask({ hostname, port, method, path: url, headers }, reply => {
      if (fault === 'unanswered') {
        reply.resume().on('end', () => request.socket.resetAndDestroy());
        return;
      }
      const { 'content-length': length, ...others } = reply.headers;
      response.writeHead(reply.statusCode ?? 502, {
        ...others,
        ...(length === undefined || fault === 'unsized' ? {} : { 'content-length': length }),
      });
      reply.on('error', () => response.destroy());
      if (typeof fault === 'string') reply.pipe(response);
      else reply.pipe(cutter(fault, response)).pipe(response);
    });
    upstream.on('error', () => response.destroy());
    response.on('error', () => undefined).on('close', () => upstream.destroy());
    request.on('error', () => upstream.destroy());
    request.pipe(upstream);
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: FaultProxy = {
    endpoint: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    decide: () => 'pass',
    seen: [],
    cut: () => server.closeAllConnections(),
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return proxy;
};
