import type { Entry as ZipEntry } from 'yauzl';
import { archiveRefused } from './archive-errors.ts';
import { toBytes } from './byte-path.ts';
import type { Entry } from './entry-writer.ts';

const unixTypes: Readonly<Record<number, Entry['type']>> = {
  0: 'file',
  0o100000: 'file',
  0o040000: 'directory',
  0o120000: 'symlink',
  0o010000: 'device',
  0o020000: 'device',
  0o060000: 'device',
  0o140000: 'device',
};
/** Systems whose attributes hold a Unix mode: Unix, OS X. Source: APPNOTE.TXT 4.4.2. */
const unixMakers = new Set([3, 19]);

/**
 * What an entry of a zip means. Names are told with slashes, whichever way their maker turned them.
 * Errors: `artifact-invalid` for one that is encrypted, or packed in a way that nobody uses.
 */
export const entryOf = (one: ZipEntry, name: string): Entry => {
  const path = toBytes(name);
  if (one.isEncrypted()) throw archiveRefused('it is encrypted', path);
  if (one.compressionMethod !== 0 && one.compressionMethod !== 8) {
    throw archiveRefused(`it is packed by method ${one.compressionMethod}; expected stored or deflate`, path);
  }
  const attributes = unixMakers.has(one.versionMadeBy >>> 8) ? one.externalFileAttributes >>> 16 : 0;
  const type = path.endsWith('/') ? 'directory' : unixTypes[attributes & 0o170000];
  if (!type) throw archiveRefused('it is of no type that is unpacked', path);
  const permissions = attributes & 0o777;
  const mode = permissions === 0 ? (type === 'directory' ? 0o755 : 0o644) : permissions;
  return { path, type, mode, mtimeMs: one.getLastModDate().getTime(), sizeBytes: one.uncompressedSize, linkname: '' };
};
