import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import type { Readable } from 'node:stream';

/**
 * The body of a reply as a stream of its own: a connection that ends before it is whole is an error, in the form that `failed`
 * gives it; an abort ends it with the signal's reason. Destroying it lets go of the connection.
 */
export const bodyOf = (
  response: IncomingMessage,
  signal: AbortSignal | undefined,
  failed: (error: Error) => Error,
): Readable => {
  const body = new PassThrough();
  const onAbort = () => {
    body.destroy(signal?.reason as Error);
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  response.on('error', error => {
    body.destroy(failed(error));
  });
  body.on('close', () => {
    signal?.removeEventListener('abort', onAbort);
    if (!response.complete) response.destroy();
  });
  response.pipe(body);
  return body;
};
