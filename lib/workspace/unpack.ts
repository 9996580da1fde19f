import { createWriteStream } from 'node:fs';
import { basename, join } from 'node:path';
import { Readable, Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { AttemptError, asError, messageOf } from '../errors.ts';
import { createEntryWriter, type Entry, type EntryFile } from './entry-writer.ts';

export interface UnpackOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes that may be written; 0: no limit. */
  readonly maxBytes?: number;
}

const formats = [
  { name: 'gzip', magic: [0x1f, 0x8b], decompress: () => createGunzip() },
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd], decompress: () => createZstdDecompress() },
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68], decompress: undefined },
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a], decompress: undefined },
  { name: 'zip', magic: [0x50, 0x4b, 0x03, 0x04], decompress: undefined },
] as const;

const invalid = (why: string, cause?: unknown) =>
  new AttemptError('artifact-invalid', `archive refused: ${why}`, {}, cause === undefined ? undefined : { cause });

/** What the first bytes say, whatever the name: the client names plain tar files `.tar.gz`. */
const decompressorFor = (head: Buffer): Transform | undefined => {
  const format = formats.find(one => one.magic.every((byte, index) => head[index] === byte));
  if (!format) return undefined;
  if (!format.decompress) throw invalid(`${format.name} is not yet supported; expected tar, tar.gz or tar.zst`);
  return format.decompress();
};

const types: Readonly<Partial<Record<Header['type'], Entry['type']>>> = {
  file: 'file',
  'contiguous-file': 'file',
  directory: 'directory',
  symlink: 'symlink',
  link: 'link',
};

const entryOf = (header: Header): Entry => ({
  name: header.name,
  type: types[header.type] ?? 'other',
  mode: header.mode,
  mtimeMs: header.mtime.getTime(),
  ...(header.linkname ? { linkname: header.linkname } : {}),
});

/** Tells an archive that ends in the middle from one that ends. Source: ustar, an archive ends with two blocks of zeros. */
class EndGuard extends Transform {
  #size = 0;
  #zeros = 0;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#size += chunk.length;
    let at = chunk.length;
    while (at > 0 && chunk[at - 1] === 0) at -= 1;
    this.#zeros = at === 0 ? this.#zeros + chunk.length : chunk.length - at;
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    if (this.#size === 0) done(invalid('it is empty'));
    else if (this.#zeros < 1024) done(invalid('it is cut off'));
    else done();
  }
}

const isTar = (head: Buffer): boolean =>
  head.length >= 512 &&
  (head.subarray(257, 262).toString('latin1') === 'ustar' ||
    head.subarray(0, 512).every(byte => byte === 0) ||
    validChecksum(head));

/** Archives of before ustar have a checksum and no magic. */
const validChecksum = (head: Buffer): boolean => {
  const said = parseInt(
    head
      .subarray(148, 156)
      .toString('latin1')
      .replace(/[\0 ]+/g, ' ')
      .trim(),
    8,
  );
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? 0x20 : (head[i] ?? 0);
  return said === sum;
};

/** The first bytes of a stream, put back. */
const peek = async (body: Readable): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size >= 8) break;
  }
  const head = Buffer.concat(chunks);
  if (head.length > 0) body.unshift(head);
  return head;
};

/**
 * Unpack a tar archive (plain, gzip or zstd, told by its content) into a directory, and write nowhere else.
 * Returns the bytes written. The body is read at the pace of the disk.
 * Errors: AttemptError `artifact-invalid` (what is wrong, which entry), `out-of-disk` above `maxBytes`; an error of the body
 * itself as it came.
 */
export const unpackArchive = async (body: Readable, target: string, options: UnpackOptions = {}): Promise<number> => {
  const { signal, maxBytes = 0 } = options;
  let bodyError: Error | undefined;
  body.once('error', error => {
    bodyError = error;
  });
  const writer = createEntryWriter(target, maxBytes);
  const archive = extract();
  archive.on('entry', (header, stream, next) => {
    let file: EntryFile | undefined;
    const fail = (error: unknown) => {
      file?.close();
      file = undefined;
      archive.destroy(asError(error));
    };
    stream.on('error', fail);
    try {
      file = writer.begin(entryOf(header));
    } catch (error) {
      fail(error);
      return;
    }
    stream.on('data', chunk => {
      try {
        file?.write(chunk as Buffer);
      } catch (error) {
        fail(error);
      }
    });
    stream.on('end', () => {
      file?.close();
      next();
    });
  });
  try {
    const decompressor = decompressorFor(await peek(body));
    const check = new HeadCheck();
    await (decompressor
      ? pipeline(body, decompressor, check, new EndGuard(), archive, { signal })
      : pipeline(body, check, new EndGuard(), archive, { signal }));
    writer.finish();
    return writer.bytes;
  } catch (error) {
    body.destroy();
    signal?.throwIfAborted();
    if (bodyError) throw bodyError;
    if (error instanceof AttemptError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new AttemptError('out-of-disk', 'the disk is full', {}, { cause: error });
    throw invalid(code === 'Z_BUF_ERROR' ? 'it is cut off' : messageOf(error), error);
  }
};

/** Says clearly that something is no tar at all. */
class HeadCheck extends Transform {
  #head: Buffer | undefined = Buffer.alloc(0);

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (!this.#head) {
      done(null, chunk);
      return;
    }
    this.#head = Buffer.concat([this.#head, chunk]);
    if (this.#head.length < 512) {
      done();
      return;
    }
    const head = this.#head;
    this.#head = undefined;
    if (isTar(head)) done(null, head);
    else done(invalid('it is neither a tar archive nor a compressed one'));
  }

  override _flush(done: TransformCallback): void {
    if (this.#head && this.#head.length > 0) done(invalid('it is cut off, or no archive'));
    else done();
  }
}

/**
 * Store an artifact that is not an archive as the file it is, under its base name.
 * Errors: `out-of-disk` above `maxBytes`; those of the body.
 */
export const storeFile = async (
  body: Readable,
  directory: string,
  name: string,
  options: UnpackOptions = {},
): Promise<number> => {
  const { signal, maxBytes = 0 } = options;
  let bytes = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (maxBytes > 0 && bytes > maxBytes) {
        done(new AttemptError('out-of-disk', 'the artifact is larger than the disk that was asked for', { maxBytes }));
      } else done(null, chunk);
    },
  });
  await pipeline(body, counted, createWriteStream(join(directory, basename(name) || 'file')), { signal });
  return bytes;
};
