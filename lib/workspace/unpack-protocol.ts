import type { ByteRing } from '../flow/byte-ring.ts';
import type { Cause } from '../model/outcome.ts';
import type { SharedBudget } from './disk-budget.ts';
import type { EntryWriterOptions } from './entry-writer.ts';

/** What a thread that unpacks is given at its start. */
export interface UnpackTask {
  readonly directory: string;
  /** An archive to be unpacked, or a file to be stored as it is; by the name of its object. */
  readonly as: 'archive' | 'file';
  readonly name: string;
  readonly outwardLinks: EntryWriterOptions['outwardLinks'];
  /** Where the bytes come. */
  readonly ring: ByteRing;
  readonly budget: SharedBudget;
  /** Bytes that the thread has spent of it, for whoever ends the thread. */
  readonly spent: SharedArrayBuffer;
}

/** From the thread, at its end. */
export type FromThread =
  | { readonly type: 'done'; readonly bytes: number }
  /** Nothing more came: why is known to who fills the ring. */
  | { readonly type: 'cut' }
  | { readonly type: 'failed'; readonly cause: Cause; readonly message: string };
