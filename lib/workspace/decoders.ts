import { setImmediate } from 'node:timers/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { pipeline, type Duplex } from 'node:stream';
import { messageOf } from '../errors.ts';
import { archiveRefused } from './archive-errors.ts';
import type { ArchiveFormat } from './archive-formats.ts';
import { decodeBzip2 } from './bzip2-decoder.ts';
import { watchXzBlocks } from './xz-blocks.ts';
import { FrameSplitter, type FramePiece } from './zstd-frames.ts';

type Source = AsyncIterable<Buffer> | Iterable<Buffer>;
/** A step of node's `pipeline`: takes what is compressed, gives what was, never much more at once than it is asked for. */
export type Decoder = Duplex | ((source: Source) => AsyncIterable<Buffer>);

const outputBytes = 256 * 1024;
/** What xz is given at once: it gives back all that this becomes, up to some thousand times as much. */
const xzInputBytes = 4 * 1024;

async function* decodeXz(source: Source): AsyncGenerator<Buffer> {
  const { XzDecompressor } = await import('@napi-rs/lzma/xz').then(
    ({ Decompressor }) => ({ XzDecompressor: Decompressor }),
    (error: unknown) => {
      throw archiveRefused(
        'xz is not supported on this machine; expected tar, gzip, bzip2, zstd or zip',
        undefined,
        error,
      );
    },
  );
  const refused = (error: unknown) => {
    const said = messageOf(error);
    return said.includes('fill whole buffer')
      ? archiveRefused('it is cut off', undefined, error)
      : archiveRefused(`it is damaged: xz ${said}`, undefined, error);
  };
  const decoder = new XzDecompressor();
  const watch = watchXzBlocks();
  const update = (bytes: Buffer): Buffer => {
    try {
      return decoder.update(bytes);
    } catch (error) {
      throw refused(error);
    }
  };
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; at += xzInputBytes) {
      const piece = chunk.subarray(at, at + xzInputBytes);
      watch(piece);
      const out = update(piece);
      if (out.length > 0) yield out;
    }
    await setImmediate();
  }
  const last = await decoder.finish().catch((error: unknown) => {
    throw refused(error);
  });
  if (last.length > 0) yield last;
}

/** One frame after another, each by a decoder of its own. */
async function* decodeZstd(source: Source): AsyncGenerator<Buffer> {
  const splitter = new FrameSplitter();
  const pieces = (async function* () {
    for await (const chunk of source) yield* splitter.split(chunk);
  })();
  /** The pieces of one frame, of which `first` is read already. */
  const frame = async function* (first: FramePiece) {
    for (let piece = first; ;) {
      yield piece.bytes;
      if (piece.last) return;
      const next = await pieces.next();
      if (next.done) return;
      piece = next.value;
    }
  };
  for (let first = await pieces.next(); !first.done; first = await pieces.next()) {
    const decoder = createZstdDecompress({ chunkSize: outputBytes });
    // Who reads the decoder hears of an error by it.
    pipeline(frame(first.value), decoder, () => undefined);
    yield* decoder as AsyncIterable<Buffer>;
  }
  if (!splitter.isBetween) throw archiveRefused('it is cut off');
}

/** Undo a compression; undefined for what is not compressed as a whole. */
export const decoderOf = (format: ArchiveFormat): Decoder | undefined => {
  switch (format) {
    case 'gzip':
      return createGunzip({ chunkSize: outputBytes });
    case 'zstd':
      return decodeZstd;
    case 'bzip2':
      return decodeBzip2;
    case 'xz':
      return decodeXz;
    case 'tar':
    case 'zip':
      return undefined;
    default:
      return format satisfies never;
  }
};
