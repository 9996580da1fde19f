import { AttemptError } from '../errors.ts';

/** Bytes that may be written, shared by everything that is brought in for one attempt. */
export interface DiskBudget {
  /** Count bytes, before they are written. Errors: `out-of-disk` where that would be too many. */
  spend(bytes: number): void;
  /** Bytes that were removed again. */
  refund(bytes: number): void;
}

/** @param limitBytes 0: no limit */
export const createDiskBudget = (limitBytes: number): DiskBudget => {
  let spent = 0;
  return {
    spend: bytes => {
      if (limitBytes > 0 && spent + bytes > limitBytes) {
        throw new AttemptError('out-of-disk', 'more was to be unpacked than the disk that was asked for holds', {
          limitBytes,
        });
      }
      spent += bytes;
    },
    refund: bytes => {
      spent -= bytes;
    },
  };
};
