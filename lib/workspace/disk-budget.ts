import { AttemptError } from '../errors.ts';

/** Bytes that may be written, shared by everything that is brought in for one attempt. */
export interface DiskBudget {
  /** Count bytes, before they are written. Errors: `out-of-disk` where that would be too many. */
  spend(bytes: number): void;
  /** Bytes that were removed again. */
  refund(bytes: number): void;
  /** For another thread, which gives it to `sharedBudget`. */
  readonly shared: SharedBudget;
}

/** A budget as it goes to another thread. */
export interface SharedBudget {
  readonly limitBytes: number;
  /** One 64-bit integer: bytes spent. */
  readonly spent: SharedArrayBuffer;
}

/** A budget that several threads spend from. */
export const sharedBudget = (shared: SharedBudget): DiskBudget => {
  const { limitBytes } = shared;
  const spent = new BigInt64Array(shared.spent);
  return {
    spend: bytes => {
      const before = Number(Atomics.add(spent, 0, BigInt(bytes)));
      if (limitBytes <= 0 || before + bytes <= limitBytes) return;
      Atomics.sub(spent, 0, BigInt(bytes));
      throw new AttemptError('out-of-disk', 'more was to be unpacked than the disk that was asked for holds', {
        limitBytes,
      });
    },
    refund: bytes => {
      Atomics.sub(spent, 0, BigInt(bytes));
    },
    shared,
  };
};

/** @param limitBytes 0: no limit */
export const createDiskBudget = (limitBytes: number): DiskBudget =>
  sharedBudget({ limitBytes, spent: new SharedArrayBuffer(8) });
