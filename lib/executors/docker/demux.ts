import type { PassThrough, Readable } from 'node:stream';

const headerBytes = 8;
const stderrType = 2;

/** Write under backpressure; what nobody reads any more is passed over. */
const give = async (to: PassThrough, bytes: Buffer): Promise<void> => {
  if (to.destroyed || to.write(bytes)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  to.once('drain', resolve).once('close', resolve);
  await promise;
  // The one that was not heard would stay, for each write that waited.
  to.off('drain', resolve).off('close', resolve);
};

/**
 * Take the two streams of a container apart. When a reader is slow nothing is read from the engine, whose socket fills, and the
 * program waits.
 * Source: Docker Engine API, ContainerAttach, "Stream format".
 * Errors: those of the source. Both streams are ended in any case.
 */
export const demux = async (source: Readable, stdout: PassThrough, stderr: PassThrough): Promise<void> => {
  let pending: Buffer = Buffer.alloc(0);
  let to = stdout;
  let left = 0;
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      while (left > 0 ? pending.length > 0 : pending.length >= headerBytes) {
        if (left === 0) {
          to = pending[0] === stderrType ? stderr : stdout;
          left = pending.readUInt32BE(4);
          pending = pending.subarray(headerBytes);
          continue;
        }
        const payload = pending.subarray(0, left);
        left -= payload.length;
        pending = pending.subarray(payload.length);
        await give(to, payload);
      }
    }
  } finally {
    stdout.end();
    stderr.end();
  }
};
