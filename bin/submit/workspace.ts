import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OptionsError } from '../../lib/errors.ts';
import type { Pieces } from '../../lib/flow/pieces.ts';
import type { ObjectStore } from '../../lib/storage/object-store.ts';
import { listDirectory } from '../../lib/workspace/list-directory.ts';
import { archiveBytesOf, packDirectory } from '../../lib/workspace/pack.ts';
import type { TransferBar } from './transfer-bar.ts';

const keyOf = (hash: string): string => `blobstore/${hash}.tar`;

/** Packed into a file first: its hash is its key, and a stream that is read twice could give two different archives. */
const storeLarge = async (packed: Pieces, artifacts: ObjectStore, bar: TransferBar): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'studioml-submit-'));
  try {
    const file = join(directory, 'workspace.tar');
    const hash = createHash('sha256');
    const handle = await open(file, 'wx');
    try {
      for await (const piece of packed) {
        hash.update(piece);
        await handle.writeFile(piece);
      }
    } finally {
      await handle.close();
    }
    bar.clear();
    const key = keyOf(hash.digest('hex'));
    const { size } = await stat(file);
    await artifacts.put(key, bar.counted('put', 'workspace', size, createReadStream(file)));
    return key;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};

/**
 * Pack a workspace and store it under the hash of its content. Out: its key.
 * Errors: OptionsError for a workspace without files; StoreError.
 */
export const storeWorkspace = async (workspace: string, artifacts: ObjectStore, bar: TransferBar): Promise<string> => {
  const found = await listDirectory(workspace);
  const packing = bar.start('put', 'packing', archiveBytesOf(found));
  const packed = await packDirectory(workspace, '.tar', found, packing);
  if (!packed) throw new OptionsError([`submit: ${workspace} holds no files; expected a workspace`]);
  if (!Buffer.isBuffer(packed)) return storeLarge(packed, artifacts, bar);
  const key = keyOf(createHash('sha256').update(packed).digest('hex'));
  await artifacts.put(key, packed);
  return key;
};
