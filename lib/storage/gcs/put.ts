import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import type { File } from '@google-cloud/storage';
import { inParts, piecesUntil, type Part, type Pieces } from '../../flow/pieces.ts';
import { orAborted } from '../../flow/wait.ts';
import type { PutOptions } from '../object-store.ts';

/** Google takes multiples of 256 KiB. A piece is in memory until it is stored. */
const pieceBytes = 8 * 2 ** 20;

const conditionsOf = ({ ifMatch, ifNoneMatch }: PutOptions) => ({
  ...(ifMatch === undefined ? {} : { ifGenerationMatch: ifMatch }),
  ...(ifNoneMatch === undefined ? {} : { ifGenerationMatch: 0 }),
});

const putWhole = async (file: File, bytes: Buffer, options: PutOptions, signal: AbortSignal): Promise<void> => {
  const { contentType = 'application/octet-stream' } = options;
  const saving = file.save(bytes, {
    resumable: false,
    validation: false,
    contentType,
    // The server refuses what is another by the time it arrives.
    metadata: { contentType, md5Hash: createHash('md5').update(bytes).digest('base64') },
    preconditionOpts: conditionsOf(options),
  });
  await orAborted(saving, signal);
};

/** Store an object in one call, or in pieces where it is longer than one. Errors: those of Google's client and of the body. */
export const putGcs = async (file: File, body: Buffer | Pieces, options: PutOptions): Promise<string | undefined> => {
  const control = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, control.signal]) : control.signal;
  signal.throwIfAborted();
  if (Buffer.isBuffer(body)) await putWhole(file, body, options, signal);
  else {
    const parts = inParts(piecesUntil(body, signal), pieceBytes);
    try {
      const first = (await parts.next()).value as Part;
      if (first.last) await putWhole(file, first.bytes, options, signal);
      else {
        const { contentType = 'application/octet-stream' } = options;
        const all = async function* (): AsyncGenerator<Buffer> {
          yield first.bytes;
          for await (const { bytes } of parts) yield bytes;
        };
        const upload = file.createWriteStream({
          resumable: true,
          chunkSize: pieceBytes,
          validation: 'crc32c',
          contentType,
          preconditionOpts: conditionsOf(options),
        });
        await pipeline(all, upload, { signal });
      }
    } finally {
      await parts.return();
    }
  }
  const { generation } = file.metadata;
  return generation === undefined ? undefined : String(generation);
};
