import { messageOf } from '../lib/errors.ts';

/** What is said of a RabbitMQ that can not be connected to, without user and password. */
export const unreachable = (url: string, cause: unknown): Error => {
  const { host, pathname } = new URL(url);
  return new Error(`the broker can not be reached [broker=${host}${pathname}]: ${messageOf(cause)}`, { cause });
};
