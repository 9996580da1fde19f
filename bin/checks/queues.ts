import { constants } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import type { Options } from '../../lib/config/options.ts';
import { messageOf } from '../../lib/errors.ts';
import { plural } from '../../lib/telemetry/person-format.ts';
import { connectFault } from '../unreachable.ts';
import type { Check, Finding } from './check.ts';
import { directoryFault } from './directory-fault.ts';
import { rabbitmqPermission, rabbitmqQueues } from './rabbitmq.ts';

/** A URL without user and password. */
const shown = (url: string): string => {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
};

const clearText: Check = {
  name: 'requests',
  run: ({ clearTextMessages }) => {
    const finding: Finding = clearTextMessages
      ? { status: 'ok', found: "requests that are not encrypted are accepted on queues without a sender's key" }
      : { status: 'ok', found: 'only encrypted and signed requests are accepted' };
    return Promise.resolve(finding);
  },
};

const broker = (url: string): Check => ({
  name: 'RabbitMQ',
  run: async (_, signal) => {
    const { connect } = await import('amqplib');
    const opening = connect(url, { timeout: 5000 });
    // A connection that comes too late is closed too.
    const closed = opening.then(connection => connection.close());
    closed.catch(() => undefined);
    try {
      await opening;
      await closed;
      signal.throwIfAborted();
      return { status: 'ok', found: `${shown(url)} accepts connections` };
    } catch (error) {
      const { found, remedy } = connectFault(error);
      return { status: 'failure', found: `${shown(url)}: ${found}`, expected: 'a connection', remedy };
    }
  },
});

const management = (url: string, amqpUrl: string, named: number): Check => ({
  name: 'RabbitMQ management',
  run: async (_, signal) => {
    const { username, password } = new URL(url);
    const base = shown(url).replace(/\/$/, '');
    const vhost = new URL(amqpUrl).pathname.slice(1) || '%2F';
    const key = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
    const path = `/api/exchanges/${vhost}/StudioML.topic/bindings/source`;
    const instead = named > 0;
    const failed = (found: string, remedy: string): Finding => ({
      status: instead ? 'warning' : 'failure',
      found: `${base} ${found}${instead ? `; ${plural(named, 'queue')} named by AMQP_QUEUES` : ''}`,
      expected: 'a list of the queues',
      remedy,
    });
    try {
      const reply = await fetch(base + path, { headers: { authorization: `Basic ${key}` }, signal });
      if (reply.status === 404) {
        await reply.body?.cancel();
        return { status: 'ok', found: `${base} answers; no client has made a queue yet` };
      }
      if (!reply.ok) {
        await reply.body?.cancel();
        return failed(
          `answers ${String(reply.status)} ${reply.statusText}`,
          'the user needs the tag management and read access to the vhost; or name the queues with AMQP_QUEUES',
        );
      }
      const bindings = (await reply.json()) as readonly unknown[];
      return { status: 'ok', found: `${base} lists ${plural(bindings.length, 'queue')}` };
    } catch (error) {
      signal.throwIfAborted();
      return failed(
        messageOf(error),
        'enable it: rabbitmq-plugins enable rabbitmq_management; or say where it is with AMQP_MGT_URL, or name the queues with AMQP_QUEUES',
      );
    }
  },
});

const queueRoot = (path: string): Check => ({
  name: 'queue directory',
  run: async () => {
    try {
      const entries = await readdir(path, { withFileTypes: true });
      await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
      const queues = entries.filter(entry => entry.isDirectory() && !entry.name.startsWith('.'));
      return { status: 'ok', found: `${path} holds ${plural(queues.length, 'queue')}` };
    } catch (error) {
      return {
        status: 'failure',
        found: directoryFault(path, error),
        expected: 'a directory that can be read and written to',
        remedy: 'make it, or correct QUEUE_ROOT',
      };
    }
  },
});

/** Loaded only where it is asked for: its SDK is large. */
const sqs: Check = {
  name: 'AWS SQS',
  run: async (options, signal) => (await import('./sqs.ts')).checkSqs(options, signal),
};

const pubsub: Check = {
  name: 'Google Pub/Sub',
  run: async (options, signal) => (await import('./pubsub.ts')).checkPubsub(options, signal),
};

/** The checks of the places that work comes from, as far as they are configured. */
export const queueChecks = (options: Options): readonly Check[] => [
  clearText,
  ...options.amqpUrls.flatMap((url, at) => [
    broker(url),
    rabbitmqPermission(url),
    management(options.amqpMgtUrls[at] ?? '', url, options.amqpQueues.length),
    rabbitmqQueues(options.amqpMgtUrls[at] ?? '', url),
  ]),
  ...(options.queueRoot === undefined ? [] : [queueRoot(options.queueRoot)]),
  ...(options.sqsCerts !== undefined || options.sqsChain ? [sqs] : []),
  ...(options.pubsubCerts !== undefined || options.pubsubProject !== undefined ? [pubsub] : []),
];
