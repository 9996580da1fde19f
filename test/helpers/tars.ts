import { Readable } from 'node:stream';
import { pack, type Header } from 'tar-stream';

/** An entry for tar-stream, with its content. */
export type TarMember = Partial<Header> & Pick<Header, 'name'> & { readonly content?: string | Buffer };

/** An archive made by a library that is not ours. */
export const tarOf = async (...members: readonly TarMember[]): Promise<Buffer> => {
  const archive = pack();
  for (const { content, ...header } of members) {
    if (content === undefined) archive.entry(header);
    else archive.entry(header, content);
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

/** A body that comes in pieces of `chunkBytes`. */
export const bodyOf = (archive: Buffer, chunkBytes = archive.length || 1): Readable => {
  const pieces: Buffer[] = [];
  for (let at = 0; at < archive.length; at += chunkBytes) pieces.push(archive.subarray(at, at + chunkBytes));
  return Readable.from(pieces, { objectMode: false });
};
