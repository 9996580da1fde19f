import type { ByteRing } from '../../flow/byte-ring.ts';
import type { Digest, SignedGet } from '../object-store.ts';

/** What a thread that receives is given at its start. */
export interface ReceiveTask {
  readonly ring: ByteRing;
  readonly sizeBytes: number;
  readonly digest: Digest | undefined;
  /** One 64-bit integer: bytes received, for whoever tells how far it is. */
  readonly received: SharedArrayBuffer;
}

/** To the thread: ask for all from the byte that it has come to. */
export interface ToReceiver {
  readonly get: SignedGet;
}

/** From the thread. */
export type FromReceiver =
  /** It is whole, and what the store says it is. */
  | { readonly type: 'done' }
  /** It is whole, and not what the store says it is. */
  | { readonly type: 'fault'; readonly fault: string }
  /** The connection failed, or the reply is not the bytes that were asked for: `status` where it is a refusal. */
  | { readonly type: 'cut'; readonly message: string; readonly status?: number | undefined }
  /** Nobody wants it any more. */
  | { readonly type: 'unwanted' };
