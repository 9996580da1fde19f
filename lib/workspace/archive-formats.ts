/** What an artifact may be packed as; `tar` where nothing says otherwise: its own checksums tell whether it is one. */
export type ArchiveFormat = 'tar' | 'gzip' | 'zstd' | 'bzip2' | 'xz' | 'zip';

const magics: readonly (readonly [format: ArchiveFormat, ...magic: number[]])[] = [
  ['gzip', 0x1f, 0x8b],
  ['zstd', 0x28, 0xb5, 0x2f, 0xfd],
  // A frame to be skipped, as pzstd and seekable zstd begin with.
  ['zstd', 0x50, 0x2a, 0x4d, 0x18],
  ['bzip2', 0x42, 0x5a, 0x68],
  ['xz', 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
  ['zip', 0x50, 0x4b, 0x03, 0x04],
  // An empty zip, and one that was cut in volumes.
  ['zip', 0x50, 0x4b, 0x05, 0x06],
  ['zip', 0x50, 0x4b, 0x07, 0x08],
];

/**
 * What the first bytes say, whatever the name: the client names plain tar files `.tar.gz`. The name is asked only for zip, which
 * may have anything before its first entry. Source: spec "Stage-in".
 */
export const formatOf = (head: Buffer, name: string): ArchiveFormat => {
  const known = magics.find(([, ...magic]) => magic.every((byte, index) => head[index] === byte));
  if (known) return known[0];
  const isTar = head.toString('latin1', 257, 262) === 'ustar';
  return !isTar && /\.zip$/i.test(name) ? 'zip' : 'tar';
};
