import type { Options } from '../../lib/config/options.ts';
import { messageOf } from '../../lib/errors.ts';
import { ask } from '../../lib/queues/rabbitmq/management.ts';
import type { Check, Finding } from './check.ts';

interface QueueRow {
  readonly name: string;
  readonly type?: string;
  readonly durable?: boolean;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

const vhostOf = (url: string): string => decodeURIComponent(new URL(url).pathname.slice(1) || '/');

/** Whether the user may make the runner's own queues. One is made under a name that no discovery takes for work, and removed. */
export const rabbitmqPermission = (url: string): Check => ({
  name: 'RabbitMQ permission',
  run: async (_, signal): Promise<Finding> => {
    const { connect } = await import('amqplib');
    const connection = await connect(url, { timeout: 5000 });
    connection.on('error', () => undefined);
    const name = `studioml.check.${String(process.pid)}.${String(Date.now())}`;
    try {
      const channel = await connection.createChannel();
      channel.on('error', () => undefined);
      await channel.assertQueue(name, { durable: true, exclusive: true });
      await channel.deleteQueue(name);
      signal.throwIfAborted();
      return { status: 'ok', found: 'the user may make queues named studioml.*' };
    } catch (error) {
      signal.throwIfAborted();
      return {
        status: 'warning',
        found: messageOf(error),
        expected: 'leave to configure, write and read ^studioml\\..*, for leases and dead letters',
        remedy: `rabbitmqctl set_permissions -p ${vhostOf(url)} USER '^studioml\\..*' '.*' '.*'`,
      };
    } finally {
      await connection.close().catch(() => undefined);
    }
  },
});

/** What is known to go wrong with a queue of this kind; undefined: nothing. */
const trouble = ({ name, type = 'classic', durable, arguments: args = {} }: QueueRow): string | undefined => {
  const dead = args['x-dead-letter-exchange'];
  if (type === 'stream') return `${name} is a stream: it can not be worked off`;
  if (type === 'quorum' && args['x-delivery-limit'] !== undefined && dead === undefined)
    return `${name} drops a message that came back ${String(args['x-delivery-limit'])} times, and has no x-dead-letter-exchange`;
  if (args['x-message-ttl'] !== undefined && dead === undefined)
    return `${name} drops what waits longer than ${String(args['x-message-ttl'])} ms`;
  if (args['x-max-length'] !== undefined && args['x-overflow'] !== 'reject-publish')
    return `${name} drops its oldest message above ${String(args['x-max-length'])}`;
  return durable === false ? `${name} is not durable: it goes with a restart of the broker` : undefined;
};

const types = (rows: readonly QueueRow[]): string => {
  const counts = Map.groupBy(rows, ({ type = 'classic' }) => type);
  return [...counts].map(([type, { length }]) => `${String(length)} ${type}`).join(', ') || 'none';
};

/** The kinds and limits of the queues that match. */
export const rabbitmqQueues = (managementUrl: string, url: string): Check => ({
  name: 'RabbitMQ queues',
  run: async ({ queueMatch, queueMismatch }: Options, signal): Promise<Finding> => {
    const path = `/api/queues/${encodeURIComponent(vhostOf(url))}?columns=name,type,durable,arguments`;
    try {
      const all = ((await ask(managementUrl, path, signal)) ?? []) as readonly QueueRow[];
      const mine = all.filter(
        ({ name }) => queueMatch.test(name) && !queueMismatch?.test(name) && !name.endsWith('_response'),
      );
      const found = `queues that match: ${types(mine)}`;
      const troubles = mine.map(trouble).filter(one => one !== undefined);
      if (troubles.length === 0) return { status: 'ok', found };
      const shown = troubles.slice(0, 5).join('; ');
      return {
        status: 'warning',
        found: `${found}; ${shown}${troubles.length > 5 ? `; and ${String(troubles.length - 5)} more` : ''}`,
        expected: 'durable queues that drop nothing by themselves',
        remedy: 'take the argument or the policy off, or give the queue a dead-letter exchange',
      };
    } catch (error) {
      signal.throwIfAborted();
      return { status: 'warning', found: messageOf(error), expected: 'a list of the queues with their arguments' };
    }
  },
});
