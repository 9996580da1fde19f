import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

/**
 * The body of a reply as a stream of its own: a connection that ends before it is whole is an error, in the form that `failed`
 * gives it; an abort ends it with the signal's reason. Destroying it lets go of the connection.
 */
export const bodyOf = (
  response: IncomingMessage,
  signal: AbortSignal | undefined,
  failed: (error: Error) => Error,
): Readable => {
  const onAbort = () => {
    body.destroy(signal?.reason as Error);
  };
  const body = new Readable({
    read: () => {
      response.resume();
    },
    destroy: (error, done) => {
      signal?.removeEventListener('abort', onAbort);
      if (!response.complete) response.destroy();
      done(error);
    },
  });
  signal?.addEventListener('abort', onAbort, { once: true });
  response
    .on('data', (chunk: Buffer) => {
      if (!body.push(chunk)) response.pause();
    })
    .on('end', () => body.push(null))
    .on('error', error => body.destroy(failed(error)));
  response.pause();
  // It may be cut off before anybody reads it; whoever reads it then is told.
  return body.on('error', () => undefined);
};
