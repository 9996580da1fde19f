import type { Readable } from 'node:stream';
import { asError, StoreError } from '../errors.ts';
import { breakRing, RingBroken, RingWriter, type ByteRing } from '../flow/byte-ring.ts';
import { orAborted } from '../flow/wait.ts';
import { damageError, noteRight } from './damage.ts';
import { goingOn, triesOf, whyNot } from './going-on.ts';
import type { StoredObject } from './object-store.ts';
import type { FromReceiver } from './receive/receive-protocol.ts';
import { startReceiver, type Receiver } from './receive/receive-thread.ts';
import { resumedBody, type ResumeContext } from './resumed-body.ts';
import { withRetry } from './retry.ts';

/** How often who watches is told how far it is, ms. */
const lookMs = 250;

/** Thrown when: this server can't be asked past the store's own client. */
class NotDirect extends Error {
  override readonly name = 'NotDirect';
}

/** A body into a ring, by this thread. Errors: those of the body; RingBroken. */
export const pumpInto = (body: Readable, ring: ByteRing): Promise<void> =>
  new Promise((resolve, reject) => {
    const writer = new RingWriter(ring);
    const fail = (error: Error) => {
      body.destroy();
      reject(error);
    };
    body
      .on('data', (chunk: Buffer) => {
        try {
          const wait = writer.write(chunk);
          if (!wait) return;
          body.pause();
          wait.then(() => body.resume(), fail);
        } catch (error) {
          fail(error as Error);
        }
      })
      .on('error', fail)
      .on('end', () => {
        writer.end();
        resolve();
      })
      .on('close', () => reject(new Error('the body was closed before its end')));
  });

/** Receive all, over as many connections as it takes. */
const receiveAll = async (
  receiver: Receiver,
  object: StoredObject,
  use: ResumeContext,
  signal: AbortSignal,
): Promise<void> => {
  const { store, key } = use;
  const where = { store: store.name, key };
  const { direct, etag } = object;
  if (!direct) throw new NotDirect();
  let cut: StoreError | undefined;
  const once = async (): Promise<Exclude<FromReceiver, { readonly type: 'cut' }>> => {
    const said = await receiver.receive(await direct(receiver.at(), signal));
    if (said.type !== 'cut') return said;
    if (receiver.at() === 0 && said.status === undefined && cut) throw new NotDirect();
    cut = new StoreError('unavailable', `get failed: ${said.message}`, where);
    // The store's own client knows what a refusal means.
    if (said.status !== undefined) (await store.get(key, signal, goingOn(receiver.at(), etag))).body.destroy();
    throw cut;
  };
  for (;;) {
    const before = receiver.at();
    try {
      const said = await withRetry(once, triesOf(use, signal));
      if (said.type === 'unwanted') throw new RingBroken('nobody wants it any more');
      if (said.type === 'fault') throw damageError({ ...where, etag }, said.fault);
      noteRight({ ...where, etag });
      return;
    } catch (error) {
      // As many tries again where something came meanwhile.
      const isCut = error === cut && receiver.at() > before;
      if (!isCut) throw whyNot(error, use);
    }
  }
};

/** By a thread of its own. Errors: NotDirect, before anything came; as pourInto's. */
const receiveInto = async (
  ring: ByteRing,
  object: StoredObject,
  sizeBytes: number,
  use: ResumeContext,
): Promise<void> => {
  const closed = new AbortController();
  const signal = use.signal ? AbortSignal.any([use.signal, closed.signal]) : closed.signal;
  const receiver = startReceiver(ring, sizeBytes, object.check?.digest);
  let told = 0;
  const tell = () => {
    const at = receiver.at();
    if (at > told) use.onBytes?.(at - told);
    told = at;
  };
  const watch = setInterval(tell, lookMs);
  try {
    await orAborted(receiveAll(receiver, object, use, signal), signal);
    tell();
    new RingWriter(ring).end();
  } finally {
    closed.abort();
    clearInterval(watch);
    await receiver.close();
  }
};

/** The same object, by the store's own client. */
const askAgain = async ({ etag }: StoredObject, use: ResumeContext): Promise<StoredObject> => {
  const { store, key, signal = new AbortController().signal } = use;
  const ask = () => store.get(key, use.signal, etag === undefined ? {} : { ifMatch: etag });
  return withRetry(ask, triesOf(use, signal)).catch((error: unknown) => Promise.reject(asError(whyNot(error, use))));
};

/**
 * An object into a ring, whole and as the store has it: where it is cut off it goes on from there, as long as the store has the same
 * object; its length, and its digest where the store tells one, are compared before the ring ends. Where the store tells how to ask
 * past its client a thread does it, else this one. The object's body is closed.
 * Errors: as resumedBody's; the ring is broken then.
 */
export const pourInto = async (ring: ByteRing, object: StoredObject, use: ResumeContext): Promise<void> => {
  const { body, sizeBytes, check, direct } = object;
  try {
    // What only this thread can compare is received by it.
    const isDirect = direct !== undefined && sizeBytes !== undefined && (!check || check.digest !== undefined);
    if (!isDirect) return await pumpInto(resumedBody(object, use), ring);
    body.destroy();
    try {
      await receiveInto(ring, object, sizeBytes, use);
    } catch (error) {
      if (!(error instanceof NotDirect)) throw error;
      await pumpInto(resumedBody(await askAgain(object, use), use), ring);
    }
  } catch (error) {
    body.destroy();
    breakRing(ring);
    throw error;
  }
};
