import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StoreError } from '../../lib/errors.ts';
import type { ObjectStore } from '../../lib/storage/object-store.ts';
import { unpackArchive } from '../../lib/workspace/unpack.ts';
import type { TransferBar } from './transfer-bar.ts';

export interface StoredOutputSettings {
  readonly artifacts: ObjectStore;
  /** Key of the artifact `output`. */
  readonly outputKey: string;
  /** What it prints. */
  readonly print: (bytes: Uint8Array) => void;
  readonly bar: TransferBar;
}

/** Prints the stored output, as far as it is new, each time that it is called. */
export const createStoredOutput = ({
  artifacts,
  outputKey,
  print,
  bar,
}: StoredOutputSettings): (() => Promise<void>) => {
  let etag: string | undefined;
  let printed = 0;
  return async () => {
    let object;
    try {
      object = await artifacts.get(outputKey, undefined, etag === undefined ? {} : { ifNoneMatch: etag });
    } catch (error) {
      if (error instanceof StoreError && error.code !== 'denied') return;
      throw error;
    }
    const directory = await mkdtemp(join(tmpdir(), 'studioml-follow-'));
    try {
      await unpackArchive(bar.counted('get', 'output', object.sizeBytes, object.body), directory);
      const bytes = await readFile(join(directory, 'output'));
      // Another attempt starts anew.
      if (bytes.length < printed) printed = 0;
      print(bytes.subarray(printed));
      printed = bytes.length;
      etag = object.etag;
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  };
};
