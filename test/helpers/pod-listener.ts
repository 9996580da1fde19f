import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Test } from 'tap';
import type { EventLine } from './runner-process.ts';

/** What runs in pods and calls back. */
export interface PodListener {
  /** For `EVENTS`: what runners tell. */
  readonly eventsUrl: string;
  /** For experiments: a GET of a path below it waits until the test lets it go on. */
  readonly gateUrl: string;
  readonly events: readonly EventLine[];
  /** Paths that experiments asked for, in order: each is a start of its program. */
  readonly arrivals: readonly string[];
  /** Let the one go on who asked for this path, or comes for it. */
  release(path: string): void;
}

/** Listen at an address that pods reach, until the end of `t`. */
export const listenToPods = async (t: Test, address: string): Promise<PodListener> => {
  const events: EventLine[] = [];
  const arrivals: string[] = [];
  const waiting = new Map<string, ServerResponse>();
  const released = new Set<string>();
  const server = createServer((request, answer) => {
    const { method, url = '' } = request;
    if (method === 'POST') {
      void text(request).then(body => {
        for (const line of body.split('\n').filter(Boolean)) events.push(JSON.parse(line) as EventLine);
        answer.end();
      });
      return;
    }
    const path = url.replace(/^\/gate\//, '');
    arrivals.push(path);
    if (released.has(path)) answer.end();
    else waiting.set(path, answer);
  });
  server.listen(0, address);
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const origin = `http://${address}:${String((server.address() as AddressInfo).port)}`;
  return {
    eventsUrl: `${origin}/events`,
    gateUrl: `${origin}/gate`,
    events,
    arrivals,
    release: path => {
      released.add(path);
      waiting.get(path)?.end();
    },
  };
};
