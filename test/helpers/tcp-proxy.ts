import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** Reset every connection that is open; new ones are taken. */
  cut(): void;
  /** Carry nothing more until `resume`; connections stay open. */
  stall(): void;
  resume(): void;
  /** Reset every connection and refuse new ones until `accept`. */
  refuse(): void;
  accept(): void;
  close(): Promise<void>;
}

/** A way to a loopback service that can fail. It listens at `address`. */
export const startTcpProxy = async (
  target: { readonly host: string; readonly port: number },
  address = '127.0.0.1',
): Promise<TcpProxy> => {
  const sockets = new Set<Socket>();
  let refusing = false;
  let stalled = false;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    if (stalled) socket.pause();
  };
  const server = createServer({ noDelay: true }, client => {
    if (refusing) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ ...target, noDelay: true });
    keep(client);
    keep(upstream);
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
    client.on('data', chunk => upstream.write(chunk));
    upstream.on('data', chunk => client.write(chunk));
    client.on('end', () => upstream.end());
    upstream.on('end', () => client.end());
    if (stalled) for (const socket of [client, upstream]) socket.pause();
  });
  server.listen(0, address);
  await once(server, 'listening');
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    stall: () => {
      stalled = true;
      for (const socket of sockets) socket.pause();
    },
    resume: () => {
      stalled = false;
      for (const socket of sockets) socket.resume();
    },
    refuse: () => {
      refusing = true;
      cut();
    },
    accept: () => {
      refusing = false;
    },
    close: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
};
