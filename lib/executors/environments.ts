import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { AttemptError } from '../errors.ts';
import { orAborted } from '../flow/wait.ts';
import { install, readMetadata } from './installer.ts';
import type { Interpreter } from './interpreters.ts';
import { withLock } from '../resources/lock.ts';

/** A tree of installed packages that many attempts share. */
export interface Environment {
  readonly key: string;
  /** For a .pth. */
  readonly packages: string;
  /** Scripts of the packages, for PATH. */
  readonly bin: string;
  readonly tree: readonly { readonly name: string; readonly version: string; readonly requires: readonly string[] }[];
  /** Whether this call built it. */
  readonly built: boolean;
}

export interface EnvironmentsSettings {
  readonly directory: string;
  readonly uv: string | undefined;
  readonly env: Readonly<Record<string, string>>;
}

export interface Wanted {
  readonly interpreter: Interpreter;
  readonly requirements: readonly string[];
  /** File that gets what the tool prints. */
  readonly log: string;
  readonly signal: AbortSignal;
}

export interface Environments {
  /** The tree for these requirements, built once however many ask. Errors: those of `install`. */
  get(wanted: Wanted): Promise<Environment>;
}

/** What every environment holds. Scripts for older Pythons import pkg_resources. Source: spec "Python (virtual environment)". */
const basics = ({ version }: Interpreter): readonly string[] => {
  const [major = 3, minor = 0] = version.split('.').map(Number);
  return major === 3 && minor >= 12 ? ['pip'] : ['pip', 'setuptools<81', 'wheel'];
};

const sha256 = (data: string): string => createHash('sha256').update(data).digest('hex');

/** A file counts by what is in it: each attempt has it at another path. */
const identityOf = async (requirement: string): Promise<string> => {
  if (!isAbsolute(requirement)) return requirement;
  const isFile = await stat(requirement).then(
    info => info.isFile(),
    () => false,
  );
  if (!isFile) return requirement;
  const hash = createHash('sha256');
  await pipeline(createReadStream(requirement), hash);
  return hash.digest('hex');
};

const keyOf = async ({ interpreter, requirements }: Wanted, tool: string): Promise<string> => {
  const identities = await Promise.all(requirements.map(identityOf));
  const parts = [1, tool, process.platform, process.arch, interpreter.path, interpreter.version, identities];
  return sha256(JSON.stringify(parts)).slice(0, 32);
};

const packageTree = async (packages: string): Promise<Environment['tree']> => {
  const infos = (await readdir(packages)).filter(name => name.endsWith('.dist-info')).sort();
  return Promise.all(infos.map(name => readMetadata(join(packages, name, 'METADATA'))));
};

/**
 * Trees of packages, keyed by interpreter, platform, tool and requirements. Each is built in a staging directory and published by a
 * rename: a builder that is killed leaves no half of one. One build at a time for a key, in this process and across processes.
 */
export const createEnvironments = ({ directory, uv, env }: EnvironmentsSettings): Environments => {
  const building = new Map<string, Promise<Environment>>();
  const tool = uv ? 'uv' : 'pip';

  const at = (key: string) => {
    const root = join(directory, key);
    const packages = join(root, 'packages');
    return { root, packages, bin: join(packages, 'bin'), list: join(root, 'packages.json') };
  };
  const existing = async (key: string): Promise<Environment | undefined> => {
    const { root, packages, bin, list } = at(key);
    const text = await readFile(list, 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    const now = new Date();
    await utimes(root, now, now).catch(() => undefined);
    return { key, packages, bin, tree: JSON.parse(text) as Environment['tree'], built: false };
  };
  const build = async (key: string, wanted: Wanted): Promise<Environment> => {
    const { root, packages, bin } = at(key);
    const staging = join(directory, `.staging-${randomUUID()}`);
    try {
      await mkdir(join(staging, 'packages'), { recursive: true });
      const requirements = [...basics(wanted.interpreter), ...wanted.requirements];
      await install({ ...wanted, requirements, target: join(staging, 'packages'), scratch: staging, uv, env });
      const tree = await packageTree(join(staging, 'packages'));
      await writeFile(join(staging, 'packages.json'), JSON.stringify(tree));
      const taken = await rename(staging, root).then(
        () => undefined,
        // A lock can be lost to one who takes its holder for dead: the tree that was published first is the one in use.
        async (error: unknown) => (await existing(key)) ?? Promise.reject(error as Error),
      );
      return taken ?? { key, packages, bin, tree, built: true };
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  };
  const make = async (key: string, wanted: Wanted): Promise<Environment> => {
    await mkdir(directory, { recursive: true });
    return withLock(
      join(directory, `.lock-${key}`),
      wanted.signal,
      async () => (await existing(key)) ?? build(key, wanted),
    );
  };

  return {
    get: async wanted => {
      const key = await keyOf(wanted, tool);
      for (;;) {
        const there = await existing(key);
        if (there) return there;
        const under = building.get(key);
        if (!under) break;
        // Whoever builds may be stopped for reasons of its own: then the next one builds.
        await orAborted(under, wanted.signal).catch(async (error: unknown) => {
          wanted.signal.throwIfAborted();
          if (!(error instanceof AttemptError && error.code === 'environment')) return;
          await appendFile(wanted.log, `${error.message}\n`);
          throw error;
        });
      }
      const made = make(key, wanted).finally(() => building.delete(key));
      building.set(key, made);
      return made;
    },
  };
};
