import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import type { Readable } from 'node:stream';

/** The largest reply that is read whole: a page of 1,000 keys of 1,024 bytes, each of them percent-encoded. */
const maxTextBytes = 16 * 2 ** 20;

/** The text of a reply, read to its end. Errors: those of the connection; too long a reply. */
export const readText = async (response: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxTextBytes) throw new Error('the reply is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes).toString();
};

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
