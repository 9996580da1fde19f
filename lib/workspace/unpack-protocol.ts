import type { Cause } from '../model/outcome.ts';
import type { ArchiveFormat } from './archive-formats.ts';
import type { SharedBudget } from './disk-budget.ts';
import type { EntryWriterOptions } from './entry-writer.ts';

/** What a thread that unpacks is given at its start. */
export interface UnpackTask {
  readonly directory: string;
  readonly format: ArchiveFormat;
  readonly outwardLinks: EntryWriterOptions['outwardLinks'];
  readonly budget: SharedBudget;
  /** Bytes that the thread has spent of it, for whoever ends the thread. */
  readonly spent: SharedArrayBuffer;
}

/** To the thread: bytes, in order; it owns their buffer now. */
export type ToThread =
  { readonly type: 'bytes'; readonly buffer: ArrayBuffer; readonly length: number } | { readonly type: 'end' };

/** From the thread. */
export type FromThread =
  /** One message of bytes was worked off; here is its buffer, to be filled again. */
  | { readonly type: 'free'; readonly buffer: ArrayBuffer }
  | { readonly type: 'done'; readonly bytes: number }
  | { readonly type: 'failed'; readonly cause: Cause; readonly message: string };
