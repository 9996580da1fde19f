import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib';
import { messageOf } from '../../errors.ts';
import { orAborted, sleep } from '../../flow/wait.ts';
import type { Emit } from '../../telemetry/events.ts';

export interface ConnectionSettings {
  /** `amqp(s)://user:password@host:port/vhost` */
  readonly url: string;
  readonly emit: Emit;
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
  /** For publishing only: every message is confirmed. */
  readonly publisher: ConfirmChannel;
  /** Aborts when this connection ends. */
  readonly ended: AbortSignal;
}

const firstRetryMs = 100;
const maxRetryMs = 15_000;
/** A dead peer is noticed within two of these, seconds. */
const heartbeat = 5;

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
export const createConnection = ({ url, emit }: ConnectionSettings): Connection => {
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
    const publisher = await model.createConfirmChannel();
    publisher.on('error', () => undefined);
    return { model, publisher, ended: ended.signal };
  };

  const keep = async (): Promise<void> => {
    let failures = 0;
    while (!closing.signal.aborted) {
      let error: unknown;
      try {
        live = await open();
        failures = 0;
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
    current: signal => {
      signal.throwIfAborted();
      return live ? Promise.resolve(live) : orAborted(next.promise, AbortSignal.any([signal, closing.signal]));
    },
    close: async () => {
      closing.abort(new Error('the runner lets go of the broker'));
      await live?.model.close().catch(() => undefined);
      await kept;
    },
  };
};
