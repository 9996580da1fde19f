import { asBytes, type BytePath } from './byte-path.ts';

/** What an archive says of one entry. */
export interface TarEntry {
  /** No leading `./` where we write it; as it stands where we read it. */
  readonly path: BytePath;
  readonly type: 'file' | 'directory' | 'symlink';
  /** 0 unless it is a file. */
  readonly sizeBytes: number;
  /** Permission bits. */
  readonly mode: number;
  readonly mtimeMs: number;
  /** Where a symbolic link points to. */
  readonly linkname?: BytePath;
}

export const blockBytes = 512;
const nameBytes = 100;
const prefixBytes = 155;
const maxOctal = 0o77777777777;
const typeflags = { file: '0', directory: '5', symlink: '2', pax: 'x' } as const;

/** Bytes that fill a block up after so many. */
export const paddingAfter = (bytes: number): number => (blockBytes - (bytes % blockBytes)) % blockBytes;

/** Two blocks of zeros. */
export const endOfArchive = Buffer.alloc(2 * blockBytes);

/** `length key=value\n`, where the length counts its own digits. */
const paxRecord = (key: string, value: string): string => {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + String(rest.length).length;
  length = rest.length + String(length).length;
  return `${String(length)}${rest}`;
};

/** Prefix and name of a path that has a `/` at the right place. */
const splitPath = (path: BytePath): readonly [prefix: string, name: string] | undefined => {
  if (path.length <= nameBytes) return ['', path];
  const slash = path.indexOf('/', path.length - nameBytes - 1);
  if (slash < 1 || slash > prefixBytes || slash === path.length - 1) return undefined;
  return [path.slice(0, slash), path.slice(slash + 1)];
};

interface Block {
  readonly name: string;
  readonly prefix?: string;
  readonly typeflag: string;
  readonly sizeBytes: number;
  readonly mode: number;
  readonly mtimeMs: number;
  readonly linkname?: string;
}

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');

const encodeBlock = (one: Block): Buffer => {
  const block = Buffer.alloc(blockBytes);
  block.write(one.name, 0, nameBytes, asBytes);
  block.write(octal(one.mode & 0o7777, 7), 100, asBytes);
  block.write('0000000', 108, asBytes);
  block.write('0000000', 116, asBytes);
  block.write(octal(Math.min(one.sizeBytes, maxOctal), 11), 124, asBytes);
  block.write(octal(Math.min(Math.max(Math.floor(one.mtimeMs / 1000), 0), maxOctal), 11), 136, asBytes);
  block.write('        ', 148, asBytes);
  block.write(one.typeflag, 156, asBytes);
  block.write(one.linkname ?? '', 157, nameBytes, asBytes);
  block.write('ustar\x0000', 257, asBytes);
  block.write(one.prefix ?? '', 345, prefixBytes, asBytes);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${octal(sum, 6)}\0 `, 148, asBytes);
  return block;
};

/**
 * The header blocks of an entry: one, and a pax header before it where a name is too long or a file too large for it. Owner and
 * group are left out: they mean nothing on another machine. Source: POSIX pax, "ustar Interchange Format".
 */
export const encodeHeader = (entry: TarEntry): Buffer => {
  const path = entry.type === 'directory' ? `${entry.path}/` : entry.path;
  const { linkname = '', mode, mtimeMs, sizeBytes } = entry;
  const split = splitPath(path);
  const records = [
    ...(split ? [] : [paxRecord('path', path)]),
    ...(linkname.length > nameBytes ? [paxRecord('linkpath', linkname)] : []),
    ...(sizeBytes > maxOctal ? [paxRecord('size', String(sizeBytes))] : []),
  ].join('');
  const [prefix, name] = split ?? ['', path.slice(0, nameBytes)];
  const header = encodeBlock({ name, prefix, typeflag: typeflags[entry.type], sizeBytes, mode, mtimeMs, linkname });
  if (records === '') return header;
  return Buffer.concat([
    encodeBlock({ name: 'PaxHeader', typeflag: typeflags.pax, sizeBytes: records.length, mode: 0o644, mtimeMs }),
    Buffer.from(records, asBytes),
    Buffer.alloc(paddingAfter(records.length)),
    header,
  ]);
};
