import type { Options } from '../../lib/config/options.ts';
import { messageOf } from '../../lib/errors.ts';
import { ask } from '../../lib/queues/rabbitmq/management.ts';
import { connectFault } from '../unreachable.ts';
import type { Check, Finding } from './check.ts';

interface QueueRow {
  readonly name: string;
  readonly type?: string;
  readonly durable?: boolean;
  readonly arguments?: Readonly<Record<string, unknown>>;
  readonly effective_policy_definition?: Readonly<Record<string, unknown>>;
}

const vhostOf = (url: string): string => decodeURIComponent(new URL(url).pathname.slice(1) || '/');

/**
 * Whether the user may do what leases, tries anew and dead letters need. It is done with a queue under a name that no discovery takes
 * for work, and which is removed; what is published goes to nobody else.
 */
export const rabbitmqPermission = (url: string): Check => ({
  name: 'RabbitMQ permission',
  run: async (_, signal): Promise<Finding> => {
    const { connect } = await import('amqplib');
    const connection = await connect(url, { timeout: 5000 }).catch((error: unknown) => {
      throw new Error(`it can not be looked at: ${connectFault(error).found}`);
    });
    connection.on('error', () => undefined);
    const name = `studioml.check.${String(process.pid)}.${String(Date.now())}`;
    try {
      const channel = await connection.createConfirmChannel();
      const refused = new Promise<never>((_, reject) => channel.on('error', reject));
      const tried = async () => {
        const exchanges = ['amq.match', 'amq.headers'] as const;
        const [, deadLetterExchange] = exchanges;
        const headers = { 'studioml-check': name };
        await channel.assertQueue(name, { durable: true, exclusive: true, deadLetterExchange });
        for (const exchange of exchanges) {
          await channel.bindQueue(name, exchange, '', { 'x-match': 'all', ...headers });
          channel.publish(exchange, name, Buffer.alloc(0), { headers });
        }
        channel.publish('', name, Buffer.alloc(0));
        await channel.waitForConfirms();
        await channel.get(name, { noAck: true });
        await channel.deleteQueue(name);
      };
      await Promise.race([tried(), refused]);
      signal.throwIfAborted();
      return { status: 'ok', found: 'the user may make queues named studioml.*, and pass messages through them' };
    } catch (error) {
      signal.throwIfAborted();
      return {
        status: 'warning',
        found: `${messageOf(error)}: without leases long work is taken away, and of what kills its runner the attempts may not count`,
        expected:
          'leave to configure, write and read ^studioml\\..*, to write to amq.default, amq.match and amq.headers, and to read the last two, for leases and dead letters',
        remedy: `rabbitmqctl set_permissions -p ${vhostOf(url)} USER '^studioml\\..*' '.*' '.*'`,
      };
    } finally {
      await connection.close().catch(() => undefined);
    }
  },
});

/** What is known to go wrong with a queue of this kind; undefined: nothing. */
const trouble = (row: QueueRow): string | undefined => {
  const { name, type = 'classic', durable } = row;
  /** What its own arguments or its policy say. */
  const set = (setting: string): string | undefined => {
    const value = row.arguments?.[`x-${setting}`] ?? row.effective_policy_definition?.[setting];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
  };
  const drops = set('dead-letter-exchange') === undefined;
  const [returns, ttl, messages, bytes, unused] = [
    type === 'quorum' ? set('delivery-limit') : undefined,
    set('message-ttl'),
    set('max-length'),
    set('max-length-bytes'),
    set('expires'),
  ];
  const refuses = set('overflow')?.startsWith('reject-publish');
  if (type === 'stream') return `${name} is a stream: it can not be worked off`;
  if (returns !== undefined && drops)
    return `${name} drops a message that came back ${returns} times, and has no dead-letter-exchange`;
  if (ttl !== undefined && drops) return `${name} drops what waits longer than ${ttl} ms`;
  if (messages !== undefined && !refuses) return `${name} drops its oldest message above ${messages}`;
  if (bytes !== undefined && !refuses) return `${name} drops its oldest message above ${bytes} bytes`;
  if (unused !== undefined) return `${name} is deleted, with what is in it, when nobody uses it for ${unused} ms`;
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
    const path = `/api/queues/${encodeURIComponent(vhostOf(url))}?columns=name,type,durable,arguments,effective_policy_definition`;
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
