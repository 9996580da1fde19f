import type { ChannelModel } from 'amqplib';

/** The longest that an experiment may run. */
const longestMs = 97 * 3_600_000;

/**
 * Arguments of a consumer that ask the broker to be patient with what it hands over, where the broker knows them (3.12 on): for
 * messages that can't be leased.
 */
export const patience = (model: ChannelModel): Readonly<Record<string, unknown>> => {
  const { version } = model.connection.serverProperties as { readonly version?: unknown };
  const [major = 0, minor = 0] = String(version).split('.').map(Number);
  return major > 3 || (major === 3 && minor >= 12) ? { 'x-consumer-timeout': longestMs } : {};
};
