import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { isStoreError, messageOf, StoreError } from '../errors.ts';
import { within } from '../flow/wait.ts';
import type { ObjectLocation } from '../storage/object-store.ts';
import { createDiskBudget } from '../workspace/disk-budget.ts';
import { unpackArchive } from '../workspace/unpack.ts';
import type { RecordContext } from './experiment-record.ts';
import { stringMember } from './members.ts';

/** It holds a key and a word. */
const maxBytes = 1024 * 1024;

/** `status.json` as it is, or packed as other artifacts are. */
const statusText = async (bytes: Buffer, directory: string, signal: AbortSignal): Promise<string> => {
  if (bytes.toString('latin1').trimStart().startsWith('{')) return bytes.toString('utf8');
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const limits = { signal, budget: createDiskBudget(maxBytes), sizeBytes: bytes.length };
  await unpackArchive(Readable.from([bytes]), directory, limits);
  return readFile(join(directory, 'status.json'), 'utf8');
};

/** Not there, or the same as before. */
const isNoNews = (error: unknown): boolean => isStoreError(error, 'missing', 'precondition');

/**
 * Asks the artifact `_status` whether the user has stopped the experiment, by a conditional get. What can't be read counts as
 * no, and is told once. Never rejects.
 * @param directory of the runner's own, where it is unpacked
 * Source: spec "Special artifacts".
 */
export const createStatusArtifact = (
  { store, key }: ObjectLocation,
  directory: string,
  { emit, about, limitMs = 5000 }: RecordContext,
): ((signal: AbortSignal) => Promise<boolean>) => {
  let etag: string | undefined;
  let isFailing = false;
  const ask = async (signal: AbortSignal): Promise<boolean> => {
    const found = await store.get(key, signal, etag === undefined ? {} : { ifNoneMatch: etag });
    if ((found.sizeBytes ?? 0) > maxBytes) {
      found.body.destroy();
      throw new StoreError('invalid', 'the artifact _status is larger than any status', { store: store.name, key });
    }
    const text = await statusText(await buffer(found.body), directory, signal);
    etag = found.etag;
    return stringMember(text, 'status') === 'stopped';
  };
  return async signal => {
    try {
      return await within(limitMs, ask, signal);
    } catch (error) {
      if (signal.aborted || isNoNews(error)) return false;
      if (!isFailing) emit('record-failed', { error: messageOf(error) }, about);
      isFailing = true;
      return false;
    }
  };
};
