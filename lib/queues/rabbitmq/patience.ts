import type { ChannelModel } from 'amqplib';
import { messageOf } from '../../errors.ts';
import type { QueueName } from '../../model/delivery.ts';
import type { Emit } from '../../telemetry/events.ts';

/** The longest that an experiment may run. */
const longestMs = 97 * 3_600_000;
/** So much of the broker's patience is over when an operator is told. */
const warnAt = 2 / 3;

interface Version {
  isFrom(major: number, minor: number, patch?: number): boolean;
}

const versionOf = (model: ChannelModel): Version => {
  const { version } = model.connection.serverProperties as { readonly version?: unknown };
  const [a = 0, b = 0, c = 0] = String(version).split(/[.+-]/).map(Number);
  return {
    isFrom: (major, minor, patch = 0) => (a !== major ? a > major : b !== minor ? b > minor : c >= patch),
  };
};

/**
 * Arguments of a consumer that ask the broker to be patient with what it hands over, where it hears them: for messages that can't be
 * leased. Source: rabbit_queue_type:consume of RabbitMQ 4.3; from 3.12 to 4.2 only a queue's argument or policy counts.
 */
export const patienceArguments = (model: ChannelModel): Readonly<Record<string, unknown>> =>
  versionOf(model).isFrom(4, 3) ? { 'x-consumer-timeout': longestMs } : {};

/** What a broker allows where nobody told it otherwise, ms; undefined: it waits for ever. Source: consumer_timeout in its Makefile. */
const defaultLimitMs = (version: Version): number | undefined => {
  if (version.isFrom(3, 8, 17)) return 30 * 60_000;
  return version.isFrom(3, 8, 15) ? 15 * 60_000 : undefined;
};

const remedyFor = (version: Version, queue: string): string => {
  const lease = 'let the user of AMQP_URL declare queues studioml.*, so that work is leased';
  return version.isFrom(3, 12)
    ? `set a policy consumer-timeout (ms) on queue ${queue}, it counts for what is held already; or ${lease}`
    : `${lease}; or raise consumer_timeout in rabbitmq.conf, for what is taken after its restart`;
};

/** How long a broker lets a message be held that is not leased. */
export interface Patience {
  /**
   * Tell an operator before the broker gives a message that is held from now on to somebody else. Returns how to stop.
   */
  watch(queue: QueueName, model: ChannelModel, ended: AbortSignal): () => void;
}

/** @param broker for people */
export const createPatience = (broker: string, emit: Emit): Patience => {
  /** What the broker said when it lost its patience: it is told by nothing else. */
  let learntMs: number | undefined;

  return {
    watch: ({ name }, model, ended) => {
      const version = versionOf(model);
      const limitMs = learntMs ?? defaultLimitMs(version);
      const learn = () => {
        const said = /acknowledgement .*timed out.*Timeout value used: (\d+) ms/s.exec(messageOf(ended.reason))?.[1];
        if (said !== undefined) learntMs = Number(said);
      };
      ended.addEventListener('abort', learn, { once: true });
      const timer =
        limitMs === undefined
          ? undefined
          : setTimeout(() => {
              const leftMs = Math.round(limitMs * (1 - warnAt));
              emit('patience-ending', { broker, limitMs, leftMs, remedy: remedyFor(version, name) }, { queue: name });
            }, limitMs * warnAt).unref();
      return () => {
        clearTimeout(timer);
        ended.removeEventListener('abort', learn);
      };
    },
  };
};
