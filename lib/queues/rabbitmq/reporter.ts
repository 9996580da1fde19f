import { messageOf } from '../../errors.ts';
import { orAborted } from '../../flow/wait.ts';
import { responseQueueOf, type Reporter } from '../queue.ts';
import { isNotFound } from './channels.ts';
import type { Connection } from './connection.ts';
import { exchange, routingPrefix } from './discovery.ts';

/**
 * Reports to a response queue, through the client's exchange, each confirmed. The exchange or the queue that isn't there is never
 * made: a report that no queue takes comes back (mandatory).
 * @param connection of reports only: a broker that takes no more publishing stops reading from a connection, acknowledgements
 * included; asked for with the first report
 * Source: spec "Reports".
 */
export const createReporter = (connection: () => Connection, name: string): Reporter => {
  const routingKey = routingPrefix + responseQueueOf(name);

  const publish = async (body: string, signal: AbortSignal): Promise<boolean> => {
    const live = await connection().current(signal);
    const channel = await orAborted(live.publisher(), signal);
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    // A message that no queue takes is returned first and confirmed after.
    let returned = false;
    const onReturn = ({ fields }: { readonly fields: { readonly routingKey: string } }) => {
      if (fields.routingKey === routingKey) returned = true;
    };
    const onError = (error: Error) => {
      if (isNotFound(error)) resolve(false);
      else reject(error);
    };
    const onClose = () => {
      reject(new Error('the channel was closed'));
    };
    channel.on('return', onReturn).on('error', onError).on('close', onClose);
    const options = { contentType: 'text/plain', mandatory: true, persistent: true };
    channel.publish(exchange, routingKey, Buffer.from(body), options, error => {
      if (error) reject(new Error(`the broker did not take the report: ${messageOf(error)}`));
      else resolve(!returned);
    });
    try {
      return await orAborted(promise, AbortSignal.any([signal, live.ended]));
    } finally {
      channel.off('return', onReturn).off('error', onError).off('close', onClose);
    }
  };
  return { publish };
};
