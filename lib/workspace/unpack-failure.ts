import { AttemptError, messageOf, StoreError } from '../errors.ts';
import { archiveRefused } from './archive-errors.ts';

/** What went wrong while unpacking, in words that say whose fault it is. */
export const unpackFailure = (error: unknown): unknown => {
  if (error instanceof AttemptError || error instanceof StoreError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? '';
  // The machine's disk, not the experiment's share of it.
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new AttemptError('no-room', 'the disk of this machine is full', {}, { cause: error });
  }
  if (code === 'Z_BUF_ERROR') return archiveRefused('it is cut off', undefined, error);
  if (code === 'EFBIG') return archiveRefused('a file is larger than any file', undefined, error);
  if (['ENAMETOOLONG', 'EILSEQ', 'EINVAL'].includes(code) || /^(?:Z_|ZSTD_|ERR_ZSTD)/.test(code)) {
    return archiveRefused(messageOf(error), undefined, error);
  }
  return error;
};
