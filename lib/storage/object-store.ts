import type { Readable } from 'node:stream';
import type { Pieces } from '../flow/pieces.ts';
import type { ByteRing } from '../flow/byte-ring.ts';

/** What a store tells of an object's bytes, hexadecimal. */
export type Digest =
  | { readonly type: 'md5' | 'crc32' | 'crc64'; readonly expected: string }
  /** The MD5 of the MD5s of parts; each but the last has `partBytes`. */
  | { readonly type: 'md5-of-parts'; readonly expected: string; readonly partBytes: number };

/** Compares a body with the digest that its store tells of it. */
export interface BodyCheck {
  /** What it compares with, for another thread to do; undefined where only this one can. */
  readonly digest?: Digest;
  /** Each piece, in order. */
  update(chunk: Buffer): void;
  /** What is wrong with the whole; undefined where nothing is. Asked once. */
  fault(): string | undefined;
}

/** An object that is being read. `body` must be consumed or destroyed. */
export interface StoredObject {
  readonly body: Readable;
  /** Of the whole object, whatever part of it `body` is. */
  readonly sizeBytes: number | undefined;
  readonly etag: string | undefined;
  /** Where the store tells a digest of the object, and `body` is all of it. */
  readonly check?: BodyCheck;
  /** Where bytes can be asked for past the store's own client: for a thread that does nothing else. */
  readonly direct?: DirectGet;
  /**
   * All of it into a ring, by a thread, instead of `body`, which is closed: for what is large. Resolves when the ring has all that
   * the store has, and that was compared.
   * Errors: those of a `body`; the ring is broken then.
   */
  readonly pour?: (ring: ByteRing) => Promise<void>;
}

/** A GET, signed: what is sent, and to whom. Kept from logs and events. */
export interface SignedGet {
  readonly tls: DirectTls | undefined;
  readonly host: string;
  readonly port: number;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Time to connect, and time without any data, ms. */
  readonly connectMs: number;
  readonly idleMs: number;
}

/** How the other side of a connection proves who it is, and this one does: PEM. Absent: the system's authorities, nothing. */
export interface DirectTls {
  readonly ca?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
}

/** Asks for an object from a byte on, as long as it is still the same one. Errors: as a store's. */
export type DirectGet = (startByte: number, signal: AbortSignal) => Promise<SignedGet>;

/** One row of a listing. */
export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
  readonly etag: string | undefined;
}

export interface GetOptions {
  /** Only where it is not the object with this etag any more. Otherwise: StoreError `precondition`, and nothing is read. */
  readonly ifNoneMatch?: string;
  /** Only where it is still the object with this etag. Otherwise: StoreError `precondition`. */
  readonly ifMatch?: string;
  /** The object from this byte on. Default: 0. */
  readonly startByte?: number;
}

export interface PutOptions {
  readonly signal?: AbortSignal | undefined;
  readonly contentType?: string;
  /** Only over the object with this etag. Mismatch: StoreError `precondition`. */
  readonly ifMatch?: string;
  /** Only where there is no object. Otherwise: StoreError `precondition`. */
  readonly ifNoneMatch?: '*';
  /** Tries a piece of a large body again, which the store still has in memory; without it one piece that fails fails the put. */
  readonly retry?: <T>(work: () => Promise<T>, signal: AbortSignal) => Promise<T>;
  /** Told where parts of a put that failed stay in the store, and what becomes of them. */
  readonly onLeft?: ((left: LeftUpload) => void) | undefined;
}

/** Parts in a store that are no object, and take room there. */
export interface LeftUpload {
  /** The store's name for them. */
  readonly upload: string;
  /** `left`: they are taken away when the store answers again. */
  readonly state: 'left' | 'removed' | 'given-up';
  readonly error?: string;
}

/**
 * A bucket (or a directory) of objects. Keys are `/`-separated, as the client wrote them. Every failure is a StoreError;
 * drivers retry nothing by themselves beyond a reset keep-alive connection: retrying is the caller's (storage/retry.ts).
 */
export interface ObjectStore {
  /** For people and logs: `s3://host:port/bucket`, `file:///path`. Free of secrets. */
  readonly name: string;
  get(key: string, signal?: AbortSignal, options?: GetOptions): Promise<StoredObject>;
  /** Store the body whole or not at all: a reader sees the old object or the new one. Pieces are read once, at the store's pace. */
  put(key: string, body: Buffer | Pieces, options?: PutOptions): Promise<{ readonly etag: string | undefined }>;
  /** Objects whose keys start with `prefix`, in no particular order, every page. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectInfo>;
  /** Idempotent: deleting what is not there is no error. */
  delete(key: string, signal?: AbortSignal): Promise<void>;
}

/** Where an artifact is: a store and a key in it. */
export interface ObjectLocation {
  readonly store: ObjectStore;
  readonly key: string;
}
