import { messageOf } from '../lib/errors.ts';

/** Why a RabbitMQ can not be connected to, and what can be done about it. */
export interface ConnectFault {
  readonly found: string;
  readonly remedy: string;
}

/** In an operator's words, where those of the libraries are about their own insides. */
export const connectFault = (cause: unknown): ConnectFault => {
  const words = messageOf(cause).replaceAll(/\s+/g, ' ').trim();
  if (words.includes('ConnectionOpenOk')) {
    return {
      found: 'it has no such vhost, or none that is open to this user',
      remedy: 'look at the vhost in AMQP_URL (/ is %2f), and who may use it: rabbitmqctl list_permissions -p VHOST',
    };
  }
  if (words.includes('wrong version number'))
    return { found: 'that port does not speak TLS', remedy: 'say amqp:// in AMQP_URL, or name the port for TLS, 5671' };
  if (/ACCESS.REFUSED|403/i.test(words))
    return { found: words, remedy: 'look at user, password and vhost in AMQP_URL, and at the rights of that user' };
  return { found: words, remedy: 'look at host and port in AMQP_URL, and whether the broker runs' };
};

/** What is said of a RabbitMQ that can not be connected to, without user and password. */
export const unreachable = (url: string, cause: unknown): Error => {
  const { host, pathname } = new URL(url);
  return new Error(`the broker can not be reached [broker=${host}${pathname}]: ${connectFault(cause).found}`);
};
