import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { PreparedAttempt } from '../model/attempt.ts';
import { withoutCredentials } from '../request/without-credentials.ts';
import { toBytes, toText } from './byte-path.ts';
import { isUnchanged, lookAt, type Look } from './changes.ts';
import { listDirectory } from './list-directory.ts';
import { bodyOfFile } from './read-files.ts';

/** One object of _metadata. */
export interface MetadataFile {
  /** Below `metadata/`. */
  readonly name: string;
  readonly contentType?: string;
  /** Made anew for each try; undefined when the file went. */
  readonly read: () => { readonly body: Buffer | Readable; readonly sizeBytes: number } | undefined;
  /** It is stored: it is not told again until it changes. */
  readonly stored: () => void;
}

const json = 'application/json';

/** Files of _metadata that are to be stored: the runner's own two, made in memory, and what the experiment put there. */
export interface MetadataFiles {
  /**
   * Those that changed since they were stored.
   * @param isLast nobody looks for changes after this
   */
  list(isLast: boolean): Promise<MetadataFile[]>;
  /** Put the document where whoever looks at the directory finds it; what counts goes to the store. */
  leaveCopy(): void;
}

export const createMetadataFiles = (attempt: PreparedAttempt, now: () => number): MetadataFiles => {
  const { identity, workspace, document, request } = attempt;
  const scrape = `scrape-host-${identity.accession}.json`;
  const requestFile = `request-host-${identity.accession}.json`;
  const lastStored = new Map<string, Look>();
  let isRequestStored = false;

  const inMemory = (name: string, body: Buffer, stored: () => void = () => undefined): MetadataFile => ({
    name,
    contentType: json,
    read: () => ({ body, sizeBytes: body.length }),
    stored,
  });
  const own = async (isLast: boolean): Promise<MetadataFile[]> => {
    const atMs = now();
    const found = (await listDirectory(workspace.metadata)).filter(one => one.type === 'file');
    return found.flatMap(one => {
      const name = toText(one.path);
      const look = lookAt([one], atMs);
      if (name === scrape || name === requestFile || isUnchanged(lastStored.get(name), look, isLast)) return [];
      const read = () => bodyOfFile(`${toBytes(workspace.metadata)}/${one.path}`);
      const stored = () => void lastStored.set(name, look);
      return { name, read, stored, ...(name.endsWith('.json') ? { contentType: json } : {}) };
    });
  };

  const copy = (body: Buffer): void => {
    try {
      writeFileSync(join(workspace.metadata, scrape), body);
    } catch {
      // Nothing depends on it.
    }
  };

  return {
    list: async isLast => {
      const files = await own(isLast);
      const body = document.serialize();
      // Nobody looks at a directory that goes with its attempt, and making a file there is the dearest thing here.
      if (!isLast || workspace.stays) copy(body);
      files.push(inMemory(scrape, body));
      // The request does not change: once is enough.
      if (!isRequestStored) {
        const stored = Buffer.from(JSON.stringify(withoutCredentials(request.raw)));
        files.push(inMemory(requestFile, stored, () => (isRequestStored = true)));
      }
      return files;
    },
    leaveCopy: () => {
      copy(document.serialize());
    },
  };
};
