import { toBytes } from './byte-path.ts';
import type { Entry } from './entry-writer.ts';

/** A file name made of a key: its last part. */
const fileNameOf = (key: string): string => {
  const name = key.slice(key.lastIndexOf('/') + 1);
  return ['', '.', '..'].includes(name) ? 'file' : name;
};

/** An object that is stored as the file it is, under the base name of its key, as if it were the one entry of an archive. */
export const fileEntryOf = (key: string, sizeBytes: number): Entry => ({
  path: toBytes(fileNameOf(key)),
  type: 'file',
  sizeBytes,
  mode: 0o644,
  mtimeMs: Date.now(),
  linkname: '',
});
