/**
 * A path as its bytes, one character each. Names on a disk and in an archive are bytes that need not be UTF-8; read as text,
 * such a file could not be found again.
 */
export type BytePath = string;

/** The encoding that gives names as bytes: `readdirSync(path, asBytes)`. */
export const asBytes = 'latin1';

const ascii = /^[\0-\x7f]*$/;

/** A path of this program as bytes. */
export const toBytes = (path: string): BytePath => (ascii.test(path) ? path : Buffer.from(path).toString(asBytes));

/** What calls to the file system take. */
export const forDisk = (path: BytePath): string | Buffer => (ascii.test(path) ? path : Buffer.from(path, asBytes));

/** For people: in messages and in keys. */
export const toText = (path: BytePath): string => (ascii.test(path) ? path : Buffer.from(path, asBytes).toString());
