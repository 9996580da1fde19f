import { Readable } from 'node:stream';
import { StoreError } from '../../lib/errors.ts';
import type { ObjectStore, PutOptions } from '../../lib/storage/object-store.ts';

/** One call, in the order of arrival. */
export interface StoreCall {
  readonly operation: 'get' | 'put' | 'list' | 'delete';
  readonly key: string;
  readonly contentType?: string | undefined;
}

/** Told of each call before it is done: it may throw, wait, or let it pass. */
export type StoreScript = (call: StoreCall, signal: AbortSignal | undefined) => void | Promise<void>;

/** An object store in memory that records its calls. */
export class MemoryStore implements ObjectStore {
  readonly name = 'memory://bucket';
  readonly objects = new Map<string, Buffer>();
  readonly calls: StoreCall[] = [];
  script: StoreScript = () => undefined;

  constructor(objects: Readonly<Record<string, Buffer>> = {}) {
    for (const [key, body] of Object.entries(objects)) this.objects.set(key, body);
  }

  /** Keys of one kind of call. */
  keys(operation: StoreCall['operation']): string[] {
    return this.calls.filter(call => call.operation === operation).map(call => call.key);
  }

  async get(key: string, signal?: AbortSignal) {
    await this.#begin({ operation: 'get', key }, signal);
    const body = this.objects.get(key);
    if (!body) throw new StoreError('missing', 'no such object', { store: this.name, key });
    return { body: Readable.from(chunks(body), { objectMode: false }), sizeBytes: body.length, etag: undefined };
  }

  async put(key: string, body: Buffer | Readable, options: PutOptions = {}) {
    await this.#begin({ operation: 'put', key, contentType: options.contentType }, options.signal);
    this.objects.set(key, Buffer.isBuffer(body) ? body : Buffer.concat((await body.toArray()) as Buffer[]));
    return { etag: undefined };
  }

  async *list(prefix: string, signal?: AbortSignal) {
    await this.#begin({ operation: 'list', key: prefix }, signal);
    for (const [key, { length }] of this.objects) {
      if (key.startsWith(prefix)) yield { key, sizeBytes: length, etag: undefined };
    }
  }

  async delete(key: string, signal?: AbortSignal) {
    await this.#begin({ operation: 'delete', key }, signal);
    this.objects.delete(key);
  }

  async #begin(call: StoreCall, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    this.calls.push(call);
    await this.script(call, signal);
    signal?.throwIfAborted();
  }
}

/** Pieces of an odd size, so that nothing depends on where a chunk ends. */
function* chunks(body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length; at += 40_009) yield body.subarray(at, at + 40_009);
}
