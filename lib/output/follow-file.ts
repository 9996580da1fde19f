import { open, type FileHandle } from 'node:fs/promises';
import { sleep } from '../flow/wait.ts';

const chunkBytes = 64 * 1024;
const lookEveryMs = 100;

const opened = async (path: string, ended: AbortSignal): Promise<FileHandle | undefined> => {
  for (;;) {
    const last = ended.aborted;
    const handle = await open(path).catch(() => undefined);
    if (handle || last) return handle;
    await sleep(lookEveryMs);
  }
};

/**
 * A file as it grows, from its beginning: every byte that was written before `ended` aborted. It may be removed meanwhile.
 * Errors: those of reading; a file that never came is empty.
 */
export async function* followFile(path: string, ended: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
  const handle = await opened(path, ended);
  if (!handle) return;
  try {
    for (let at = 0; ;) {
      // Asked before it is read: what was written until the end is not missed.
      const last = ended.aborted;
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, at);
      at += bytesRead;
      if (bytesRead > 0) yield buffer.subarray(0, bytesRead);
      else if (last) return;
      else await sleep(lookEveryMs);
    }
  } finally {
    await handle.close();
  }
}
