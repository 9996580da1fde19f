import type { Readable } from 'node:stream';

/** A piece of a stream. Only the last may be shorter than asked for. */
export interface Part {
  readonly bytes: Buffer;
  readonly last: boolean;
}

/**
 * A stream cut into pieces of `partBytes`; an empty stream gives one empty piece. An abort ends it with the signal's reason, even
 * while the stream is silent; the stream is destroyed when this ends, however it ends. Errors: those of the stream.
 */
export async function* inParts(
  body: Readable,
  partBytes: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Part, void, undefined> {
  const onAbort = () => {
    body.destroy(signal?.reason as Error);
  };
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  let chunks: Buffer[] = [];
  let bytes = 0;
  const take = (): Buffer => {
    const part = Buffer.concat(chunks, bytes);
    [chunks, bytes] = [[], 0];
    return part;
  };
  try {
    for await (const chunk of body as AsyncIterable<Buffer | string>) {
      let rest = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      while (bytes + rest.length > partBytes) {
        const room = partBytes - bytes;
        chunks.push(rest.subarray(0, room));
        bytes = partBytes;
        rest = rest.subarray(room);
        yield { bytes: take(), last: false };
      }
      chunks.push(rest);
      bytes += rest.length;
    }
    yield { bytes: take(), last: true };
  } finally {
    signal?.removeEventListener('abort', onAbort);
    body.destroy();
  }
}
