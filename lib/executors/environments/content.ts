import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withoutUrlSecrets } from '../../request/without-credentials.ts';
import type { Interpreter } from '../interpreters.ts';

/** An installed package, as it stands in the metadata document. */
export interface Distribution {
  readonly name: string;
  readonly version: string;
  readonly requires: readonly string[];
}

/** What a directory of packages holds. */
export interface Content {
  /** The same for the same files of the same packages on the same interpreter, however they were asked for. */
  readonly key: string;
  readonly tree: readonly Distribution[];
  /** Requirement lines that name exactly this set, as `pip freeze` writes them. */
  readonly lock: readonly string[];
}

interface Found {
  readonly distribution: Distribution;
  readonly lock: string;
  readonly files: string;
}

interface DirectUrl {
  readonly url?: string;
  readonly subdirectory?: string;
  readonly vcs_info?: { readonly vcs?: string; readonly commit_id?: string };
}

/** Files that say how a package came here, not what it is. */
const ofTheInstallation = /(?:^|\/)(?:RECORD|INSTALLER|REQUESTED|direct_url\.json|uv_[^/,]*|__pycache__\/[^,]*),/;

const sha256 = (data: string): string => createHash('sha256').update(data).digest('hex');

/** Name, version and needs of a package. Source: core metadata, `METADATA` or, of older tools, `PKG-INFO`. */
const readMetadata = async (path: string): Promise<Distribution> => {
  const text = await readFile(path, 'utf8');
  const head = text.slice(0, text.search(/\r?\n\r?\n/) >>> 0);
  const all = (field: string) =>
    [...head.matchAll(new RegExp(`^${field}: (.*)$`, 'gim'))].map(match => (match[1] ?? '').trim());
  return { name: all('Name')[0] ?? '', version: all('Version')[0] ?? '', requires: all('Requires-Dist') };
};

/** A package from a repository is named by its commit; one from an archive of the workspace by its version. Source: PEP 610. */
const lockOf = ({ name, version }: Distribution, directUrl: string | undefined): string => {
  const {
    url = '',
    subdirectory,
    vcs_info: { vcs, commit_id: commit } = {},
  } = JSON.parse(directUrl ?? '{}') as DirectUrl;
  const fragment = subdirectory === undefined ? '' : `#subdirectory=${subdirectory}`;
  if (vcs !== undefined && commit !== undefined)
    return `${name} @ ${vcs}+${withoutUrlSecrets(url)}@${commit}${fragment}`;
  return /^https?:/.test(url) ? `${name} @ ${withoutUrlSecrets(url)}` : `${name}==${version}`;
};

const textIn = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);

const readOne = async (directory: string): Promise<Found> => {
  const isOld = directory.endsWith('.egg-info');
  const [distribution, record = '', directUrl] = await Promise.all([
    readMetadata(join(directory, isOld ? 'PKG-INFO' : 'METADATA')),
    textIn(join(directory, isOld ? 'installed-files.txt' : 'RECORD')),
    textIn(join(directory, 'direct_url.json')),
  ]);
  const files = record.split('\n').filter(line => !ofTheInstallation.test(line));
  return { distribution, lock: lockOf(distribution, directUrl), files: sha256(files.sort().join('\n')) };
};

/**
 * What tools have installed into a directory. RECORD has the hash of every file, so packages of one version that were built
 * differently are different content.
 * Source: recording installed projects (PEP 376, 427, 610).
 * Errors: those of reading.
 */
export const readContent = async (packages: string, { path, version }: Interpreter): Promise<Content> => {
  const names = (await readdir(packages)).filter(name => /\.(?:dist|egg)-info$/.test(name)).sort();
  const found = await Promise.all(names.map(name => readOne(join(packages, name))));
  const identities = found.map(({ distribution, files }) => [distribution.name, distribution.version, files]);
  const parts = [process.platform, process.arch, path, version, identities];
  return {
    key: sha256(JSON.stringify(parts)).slice(0, 32),
    tree: found.map(({ distribution }) => distribution),
    lock: found.map(({ lock }) => lock),
  };
};
