import { PassThrough, type Readable } from 'node:stream';
import type { File } from '@google-cloud/storage';
import { StoreError, type Where } from '../../errors.ts';
import { md5Check } from '../checks.ts';
import type { BodyCheck, StoredObject } from '../object-store.ts';
import { loadGcs } from './clients.ts';
import { gcsErrorOf } from './errors.ts';

/** What Google's client gives of a reply. */
interface Reply {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>> | { get(name: string): string | null };
}

const headerOf = ({ headers }: Reply, name: string): string | undefined =>
  typeof headers.get === 'function' ? (headers.get(name) ?? undefined) : (headers as Record<string, string>)[name];

/** `x-goog-hash: crc32c=…,md5=…`; an object that was made of others has no md5. */
const checkOf = async (hashes: string): Promise<BodyCheck | undefined> => {
  const md5 = /md5=([A-Za-z0-9+/]{22}==)/.exec(hashes)?.[1];
  if (md5 !== undefined) return md5Check(Buffer.from(md5, 'base64').toString('hex'));
  const expected = /crc32c=([A-Za-z0-9+/]{6}==)/.exec(hashes)?.[1];
  if (expected === undefined) return undefined;
  const { CRC32C } = await loadGcs();
  const sum = new CRC32C();
  return {
    update: chunk => {
      sum.update(chunk);
    },
    fault: () => (sum.validate(expected) ? undefined : `its CRC32C is ${sum.toString()}, the store says ${expected}`),
  };
};

export interface GcsRead {
  readonly file: File;
  readonly startByte: number;
  readonly signal: AbortSignal | undefined;
  /** Time without any data, ms. */
  readonly idleMs: number;
  readonly where: Where;
}

/** Ends the stream where nothing comes for so long. */
const endIdle = (source: Readable, idleMs: number, give: (error: Error) => void): (() => void) => {
  const timer = setTimeout(() => {
    give(new Error(`no data for ${String(idleMs)} ms`));
  }, idleMs);
  source.on('data', () => timer.refresh());
  return () => {
    clearTimeout(timer);
  };
};

/** Read an object from a byte on, raw. Errors: StoreError; the signal's reason. */
export const readGcs = async ({ file, startByte, signal, idleMs, where }: GcsRead): Promise<StoredObject> => {
  const body = new PassThrough();
  const source = file.createReadStream({
    decompress: false,
    validation: false,
    ...(startByte > 0 ? { start: startByte } : {}),
  });
  const onAbort = () => {
    body.destroy(signal?.reason as Error);
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  const calm = endIdle(source, idleMs, error => source.destroy(error));
  body.on('close', () => {
    calm();
    signal?.removeEventListener('abort', onAbort);
    source.destroy();
  });
  const reply = await new Promise<Reply>((resolve, reject) => {
    source.on('response', (one: Reply) => {
      // A refusal comes as an error, with the server's words.
      if (one.statusCode < 300) resolve(one);
    });
    source.on('error', error => {
      const told = signal?.aborted ? (signal.reason as Error) : gcsErrorOf('get', error, where);
      body.destroy(told);
      reject(told);
    });
    body.on('error', reject);
    source.pipe(body);
  });
  const generation = headerOf(reply, 'x-goog-generation');
  const length = headerOf(reply, 'content-length');
  const total = /\/(\d+)$/.exec(headerOf(reply, 'content-range') ?? '')?.[1];
  if (startByte > 0 && total === undefined) {
    body.destroy();
    throw new StoreError('unavailable', `get failed: the server does not go on from byte ${startByte}`, where);
  }
  const size = startByte > 0 ? total : (total ?? headerOf(reply, 'x-goog-stored-content-length') ?? length);
  const check = startByte > 0 ? undefined : await checkOf(headerOf(reply, 'x-goog-hash') ?? '');
  return {
    body,
    sizeBytes: size === undefined ? undefined : Number(size),
    etag: generation,
    ...(check ? { check } : {}),
  };
};
