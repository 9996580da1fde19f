import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** Where the ports begin that the system gives to connections, and to whoever listens on any. */
const firstGiven = Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'));
const lowest = 10_000;
/** Where the system gives nearly all of them, it is one of those. */
const end = firstGiven > lowest + 1000 ? firstGiven : 32_768;

/** A port of this machine that nobody listened on a moment ago, and that nobody gets without asking for it. */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = randomInt(lowest, end);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue;
      throw error;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
};
