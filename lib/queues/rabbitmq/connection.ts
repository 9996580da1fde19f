import type { Duplex } from 'node:stream';
import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib';
import { messageOf } from '../../errors.ts';
import { orAborted, sleep, within } from '../../flow/wait.ts';
import type { Emit } from '../../telemetry/events.ts';

export interface ConnectionSettings {
  /** `amqp(s)://user:password@host:port/vhost` */
  readonly url: string;
  readonly emit: Emit;
  /** The longest wait before the next try, ms. */
  readonly maxRetryMs?: number;
}

/**
 * Thrown when: this side ended the connection. The broker may not know yet.
 */
export class ConnectionGivenUp extends Error {
  override readonly name = 'ConnectionGivenUp';
}

/** One connection that comes back by itself. */
export interface Connection {
  /** For people and logs, without user and password. */
  readonly name: string;
  /** The connection as it stands, or the next one. Rejects with the signal's reason. */
  current(signal: AbortSignal): Promise<LiveConnection>;
  close(): Promise<void>;
}

export interface LiveConnection {
  readonly model: ChannelModel;
  /** For publishing only: every message is confirmed. A new one where the last was closed by the broker. */
  publisher(): Promise<ConfirmChannel>;
  /** Aborts when this connection ends. */
  readonly ended: AbortSignal;
  /** End it here and now, since something on it can't be mended alone; the next one comes by itself. */
  fail(error: unknown): void;
}

const firstRetryMs = 100;
export const longestRetryMs = 15_000;
/** A connection that stood this long was a good one: the next trouble is tried again at once. */
const steadyMs = 1000;
/** How long the broker is given to answer a goodbye, ms. */
const goodbyeMs = 2000;
/** A dead peer is noticed within two of these, seconds. */
const heartbeat = 5;
export const heartbeatMs = heartbeat * 1000;

/** amqplib hears of its socket's errors, not of its end by this side. Its types leave the socket out. */
const cutOff = (model: ChannelModel, error: Error): void => {
  (model.connection as unknown as { readonly stream: Duplex }).stream.destroy(error);
};

const nameOf = (url: string): string => {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
};

const withHeartbeat = (url: string): string => {
  const changed = new URL(url);
  changed.searchParams.set('heartbeat', String(heartbeat));
  return changed.href;
};

/** Connect, and again whenever the connection ends, with backoff, until it is closed. Starts at once. */
export const createConnection = ({ url, emit, maxRetryMs = longestRetryMs }: ConnectionSettings): Connection => {
  const name = nameOf(url);
  const closing = new AbortController();
  let live: LiveConnection | undefined;
  let next = Promise.withResolvers<LiveConnection>();
  next.promise.catch(() => undefined);

  const open = async (): Promise<LiveConnection> => {
    const model = await connect(withHeartbeat(url), { noDelay: true, timeout: 10_000 });
    const ended = new AbortController();
    let error: unknown;
    model.on('error', (thrown: Error) => {
      error = thrown;
    });
    model.on('close', (thrown?: Error) => {
      ended.abort(error ?? thrown ?? new Error('the connection was closed'));
    });
    model.on('blocked', (reason: string) => {
      emit('broker-blocked', { broker: name, reason });
    });
    model.on('unblocked', () => {
      emit('broker-unblocked', { broker: name });
    });
    let publisher: Promise<ConfirmChannel> | undefined;
    const openPublisher = async () => {
      const channel = await model.createConfirmChannel();
      // Each message that waits for its confirmation listens.
      channel.setMaxListeners(0);
      channel.on('error', () => undefined);
      channel.on('close', () => {
        publisher = undefined;
      });
      return channel;
    };
    return {
      model,
      publisher: () =>
        (publisher ??= openPublisher().catch((thrown: unknown) => {
          publisher = undefined;
          throw thrown;
        })),
      ended: ended.signal,
      fail: thrown => {
        if (!ended.signal.aborted) cutOff(model, new ConnectionGivenUp(messageOf(thrown), { cause: thrown }));
      },
    };
  };

  /** Say goodbye; a broker that doesn't answer is left without. */
  const leave = async ({ model, ended }: LiveConnection): Promise<void> => {
    const over = new Promise<void>(resolve => {
      ended.addEventListener('abort', () => resolve(), { once: true });
    });
    await within(goodbyeMs, signal =>
      orAborted(Promise.race([model.close().catch(() => undefined), over]), signal),
    ).catch(() => {
      cutOff(model, new Error('no answer to a goodbye'));
    });
  };

  /** As `open`; where the broker is let go of meanwhile, the connection that still comes is left. */
  const openUnlessClosing = (): Promise<LiveConnection> => {
    const opening = open();
    opening.then(
      late => (closing.signal.aborted ? leave(late) : undefined),
      () => undefined,
    );
    return orAborted(opening, closing.signal);
  };

  const keep = async (): Promise<void> => {
    let failures = 0;
    while (!closing.signal.aborted) {
      let error: unknown;
      let stoodSinceMs: number | undefined;
      try {
        live = await openUnlessClosing();
        stoodSinceMs = performance.now();
        emit('broker-connected', { kind: 'rabbitmq', broker: name });
        next.resolve(live);
        next = Promise.withResolvers<LiveConnection>();
        next.promise.catch(() => undefined);
        const { ended } = live;
        if (!ended.aborted) await new Promise(resolve => ended.addEventListener('abort', resolve, { once: true }));
        live = undefined;
        error = ended.reason;
      } catch (thrown) {
        error = thrown;
      }
      if (closing.signal.aborted) return;
      if (stoodSinceMs !== undefined && performance.now() - stoodSinceMs >= steadyMs) failures = 0;
      const ceilingMs = Math.min(maxRetryMs, firstRetryMs * 2 ** failures);
      const retryMs = failures === 0 ? 0 : Math.round(ceilingMs * (0.5 + Math.random() / 2));
      failures += 1;
      emit('broker-lost', { kind: 'rabbitmq', broker: name, error: messageOf(error), retryMs });
      await sleep(retryMs, closing.signal).catch(() => undefined);
    }
  };
  const kept = keep();

  return {
    name,
    current: async signal => {
      signal.throwIfAborted();
      closing.signal.throwIfAborted();
      return live && !live.ended.aborted ? live : orAborted(next.promise, AbortSignal.any([signal, closing.signal]));
    },
    close: async () => {
      closing.abort(new Error('the runner lets go of the broker'));
      if (live) await leave(live);
      await kept;
    },
  };
};
