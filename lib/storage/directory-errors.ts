import { messageOf, StoreError } from '../errors.ts';
import type { Where } from '../errors.ts';

const codes: Readonly<Record<string, StoreError['code']>> = {
  EACCES: 'denied',
  EPERM: 'denied',
  EROFS: 'denied',
  EEXIST: 'precondition',
  EISDIR: 'invalid',
  ENOTEMPTY: 'invalid',
  ENAMETOOLONG: 'invalid',
  EINVAL: 'invalid',
  ELOOP: 'invalid',
  EILSEQ: 'invalid',
};

/** Whether Node's file system said it, and not the body of an object. */
export const isFileSystemError = (thrown: unknown): thrown is NodeJS.ErrnoException =>
  thrown instanceof Error && typeof (thrown as NodeJS.ErrnoException).syscall === 'string';

/** A failure of the file system as a StoreError; a full or failing disk is `unavailable`. */
export const directoryError = (operation: string, error: NodeJS.ErrnoException, where: Where): StoreError => {
  // A file stands where a directory is wanted: nothing can be below it, and nothing can be put there.
  const inTheWay = error.code === 'ENOTDIR' || (error.code === 'EEXIST' && error.syscall === 'mkdir');
  const code =
    inTheWay || error.code === 'ENOENT' ? (operation === 'put' ? 'invalid' : 'missing') : codes[error.code ?? ''];
  return new StoreError(code ?? 'unavailable', `${operation} failed: ${messageOf(error)}`, where, { cause: error });
};
