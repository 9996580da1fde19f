import { randomUUID } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { StoreError } from '../../lib/errors.ts';
import { openBucket, readStore } from '../submit/store.ts';
import type { Check, Finding } from './check.ts';

const remedies: Readonly<Record<StoreError['code'], string>> = {
  missing: 'make the bucket',
  denied: 'look at key and secret, and allow GetObject, PutObject, DeleteObject and ListBucket',
  unavailable: 'look at host and port, and whether the store runs',
  precondition: 'use a store that writes under a new key',
  invalid: 'correct the URL',
};

/** A store is known by its requests; SUBMIT_STORE names one to look at: something is put, got and deleted there. */
export const storeCheck: Check = {
  name: 'store',
  run: async (): Promise<Finding> => {
    const named = process.env['SUBMIT_STORE'];
    if (!named) return { status: 'ok', found: 'requests bring their own; SUBMIT_STORE names one to look at' };
    const place = readStore(named, undefined);
    if (typeof place === 'string') return { status: 'failure', found: place, remedy: 'correct SUBMIT_STORE' };
    const store = await openBucket(place, place.bucket);
    const key = `studioml-check/${randomUUID()}`;
    try {
      await store.put(key, Buffer.from('probe'));
      const read = await text((await store.get(key)).body);
      await store.delete(key);
      if (read === 'probe') return { status: 'ok', found: `${store.name} puts, gets and deletes` };
      return { status: 'failure', found: `${store.name} gives something else than was put`, expected: 'what was put' };
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      return { status: 'failure', found: error.message, expected: 'put, get, delete', remedy: remedies[error.code] };
    }
  },
};
