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
export const createMetadataFiles = (
  attempt: PreparedAttempt,
  now: () => number,
): ((isLast: boolean) => Promise<MetadataFile[]>) => {
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

  return async isLast => {
    const files = await own(isLast);
    const body = document.serialize();
    try {
      writeFileSync(join(workspace.metadata, scrape), body);
    } catch {
      // The copy beside the others is for whoever looks at the directory; what counts goes to the store.
    }
    files.push(inMemory(scrape, body));
    // The request does not change: once is enough.
    if (!isRequestStored) {
      const copy = Buffer.from(JSON.stringify(withoutCredentials(request.raw)));
      files.push(inMemory(requestFile, copy, () => (isRequestStored = true)));
    }
    return files;
  };
};
