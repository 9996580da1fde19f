import { Readable } from 'node:stream';
import { isStoreError, StoreError } from '../errors.ts';
import type { About, Emit } from '../telemetry/events.ts';
import { damageError, noteRight } from './damage.ts';
import { goingOn, triesOf, whyNot } from './going-on.ts';
import type { ObjectStore, StoredObject } from './object-store.ts';
import { withRetry } from './retry.ts';

export interface ResumeContext {
  readonly store: ObjectStore;
  readonly key: string;
  readonly signal: AbortSignal | undefined;
  readonly emit: Emit;
  readonly about?: About | undefined;
  /** Told of each piece as it comes. */
  readonly onBytes?: (bytes: number) => void;
  /** Longest wait before the second try, ms; see retry.ts. */
  readonly baseMs?: number;
}

const bufferBytes = 1024 * 1024;

const isCut = (error: unknown): boolean => isStoreError(error, 'unavailable');

/**
 * The body of an object, whole and as the store has it: where it is cut off it goes on from there, as long as the store has the same
 * object; its length, and its digest where the store tells one, are compared when it ends.
 * Errors: StoreError `unavailable` when it can't go on, is another object by now, or was damaged on its way (worth reading again
 * from its beginning); `invalid` when it is damaged in the same way twice, and so where it lies; the signal's reason.
 */
export const resumedBody = (first: StoredObject, use: ResumeContext): Readable => {
  const { store, key, onBytes } = use;
  const { sizeBytes, etag, check } = first;
  const where = { store: store.name, key };
  const closed = new AbortController();
  const signal = use.signal ? AbortSignal.any([use.signal, closed.signal]) : closed.signal;
  let source: Readable | undefined;
  let at = 0;

  const fail = (error: unknown) => {
    out.destroy(error as Error);
  };
  /** The failure of one connection is the first try of going on. */
  const goOn = async (cut: unknown): Promise<void> => {
    let isFirst = true;
    const open = () => {
      if (isFirst) {
        isFirst = false;
        return Promise.reject<StoredObject>(cut);
      }
      return store.get(key, use.signal, goingOn(at, etag));
    };
    try {
      const { body } = await withRetry(open, triesOf(use, signal));
      if (out.destroyed) body.destroy();
      else attach(body);
    } catch (error) {
      fail(whyNot(error, use));
    }
  };
  const finish = () => {
    if (sizeBytes !== undefined && at < sizeBytes) {
      onCut(new StoreError('unavailable', `the transfer ended after ${at} of ${sizeBytes} bytes`, where));
      return;
    }
    const tooMany =
      sizeBytes !== undefined && at > sizeBytes ? `it has ${at} bytes, the store says ${sizeBytes}` : undefined;
    const fault = tooMany ?? check?.fault();
    const version = { ...where, etag };
    if (fault === undefined) {
      noteRight(version);
      out.push(null);
    } else fail(damageError(version, fault));
  };
  const onCut = (error: unknown) => {
    if (out.destroyed) return;
    source = undefined;
    // Without its etag nobody knows whether it is still the same object.
    if (signal.aborted || !isCut(error) || etag === undefined) fail(error);
    else void goOn(error);
  };
  const attach = (body: Readable) => {
    if (body.errored) {
      onCut(body.errored);
      return;
    }
    source = body;
    body
      .on('data', (chunk: Buffer) => {
        at += chunk.length;
        check?.update(chunk);
        onBytes?.(chunk.length);
        if (!out.push(chunk)) body.pause();
      })
      .on('end', finish)
      .on('error', onCut);
  };

  const out = new Readable({
    highWaterMark: bufferBytes,
    read: () => {
      source?.resume();
    },
    destroy: (error, done) => {
      source?.destroy();
      closed.abort(error ?? new Error(`nobody reads it any more: ${where.store}/${key}`));
      done(error);
    },
  });
  attach(first.body);
  return out;
};
