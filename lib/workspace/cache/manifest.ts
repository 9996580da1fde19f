import { closeSync, existsSync, fsyncSync, openSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../resources/child-process.ts';
import { lookAt } from '../changes.ts';
import { listDirectory } from '../list-directory.ts';

/** What an entry says of itself. */
export interface Manifest {
  /** Which object, for people. */
  readonly object: string;
  readonly etag: string;
  /** As unpackArchive counts them. */
  readonly bytes: number;
  /** Files, directories and links. */
  readonly count: number;
  /** Names, sizes, times of change and inodes of all there is: whatever changes one of the files changes it. */
  readonly fingerprint: string;
  /** The start of the machine at which it was written. */
  readonly boot: string;
}

export const treeOf = (entry: string): string => join(entry, 'tree');
const manifestOf = (entry: string): string => join(entry, 'manifest.json');
/** Stands when the disk has all of the entry: after a crash of the machine others may have holes. */
const durableOf = (entry: string): string => join(entry, 'durable');

const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();

const look = async (tree: string) => {
  const found = await listDirectory(tree);
  return { fingerprint: lookAt(found, 0).fingerprint, count: found.length };
};

/** Write the manifest of a tree that is complete. */
export const writeManifest = async (
  entry: string,
  about: Pick<Manifest, 'object' | 'etag' | 'bytes'>,
): Promise<Manifest> => {
  const manifest: Manifest = { ...about, ...(await look(treeOf(entry))), boot: bootId() };
  writeFileSync(manifestOf(entry), JSON.stringify(manifest));
  return manifest;
};

/** Let the disk have everything, and note that. Nobody waits for it; where it fails the entry ends with the machine's run. */
export const makeDurable = async (entry: string): Promise<void> => {
  await run('sync', ['-f', manifestOf(entry)]);
  const fd = openSync(durableOf(entry), 'w');
  fsyncSync(fd);
  closeSync(fd);
};

/** Undefined: there is no entry, or what it says can't be read. */
export const readManifest = (entry: string): Manifest | undefined => {
  try {
    const { fingerprint, bytes, count, ...said } = JSON.parse(readFileSync(manifestOf(entry), 'utf8')) as Manifest;
    if (typeof fingerprint !== 'string' || !Number.isSafeInteger(bytes) || !Number.isSafeInteger(count))
      return undefined;
    return { ...said, fingerprint, bytes, count };
  } catch {
    return undefined;
  }
};

/** Why an entry can't be served; undefined where it is what was written. */
export const damageOf = async (entry: string, manifest: Manifest): Promise<string | undefined> => {
  if (manifest.boot !== bootId() && !existsSync(durableOf(entry)))
    return 'the machine went down before it was on the disk';
  const { fingerprint } = await look(treeOf(entry));
  return fingerprint === manifest.fingerprint ? undefined : 'its files are not as they were written';
};

/** When it was used last, ms since the epoch. */
export const usedAtMs = (entry: string): number => statSync(manifestOf(entry), { throwIfNoEntry: false })?.mtimeMs ?? 0;

export const touch = (entry: string, nowMs: number): void => utimesSync(manifestOf(entry), nowMs / 1000, nowMs / 1000);
