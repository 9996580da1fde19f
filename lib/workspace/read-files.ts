import { closeSync, constants, createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { StoreError } from '../errors.ts';
import { forDisk, type BytePath } from './byte-path.ts';

/** How files of an experiment are opened: never through a link, never waiting at a pipe that took a file's place. */
export const reading = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

const shortages = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/**
 * A file that can't be opened is left out: it went, is no file any more, or may not be read. Where the machine is short of something the
 * file is there, and it is tried again. Throws: StoreError `unavailable`.
 */
export const unlessShort = (error: unknown): undefined => {
  const { code = '' } = error as NodeJS.ErrnoException;
  if (shortages.has(code))
    throw new StoreError('unavailable', `no file can be opened on this machine now: ${code}`, {}, { cause: error });
};

/** Read from `fd` until the buffer is full or the file ends; what is missing is zeros. */
export const fillFrom = (fd: number, buffer: Buffer): void => {
  let at = 0;
  try {
    for (let count = -1; count !== 0 && at < buffer.length; at += count) {
      count = readSync(fd, buffer, at, buffer.length - at, null);
    }
  } catch {
    // It can no longer be read; its size is promised by now.
  }
  buffer.fill(0, at);
};

const smallBytes = 1024 * 1024;

/** A file as a body for a store, whole when it is small; undefined when it went or can't be read. Errors: StoreError `unavailable`. */
export const bodyOfFile = (
  place: BytePath,
): { readonly body: Buffer | Readable; readonly sizeBytes: number } | undefined => {
  let fd: number;
  try {
    fd = openSync(forDisk(place), reading);
  } catch (error) {
    return unlessShort(error);
  }
  let isLent = false;
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return undefined;
    const { size: sizeBytes } = stats;
    isLent = sizeBytes > smallBytes;
    if (isLent) return { body: createReadStream('', { fd, start: 0, end: sizeBytes - 1 }), sizeBytes };
    const body = Buffer.allocUnsafe(sizeBytes);
    fillFrom(fd, body);
    return { body, sizeBytes };
  } finally {
    if (!isLent) closeSync(fd);
  }
};
