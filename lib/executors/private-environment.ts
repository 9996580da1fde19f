import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Interpreter } from './interpreters.ts';

/** An environment of one attempt. */
export interface PrivateEnvironment {
  readonly root: string;
  readonly python: string;
  /** For PATH. */
  readonly bin: string;
  /** All that it is made of, as paths below its root. */
  readonly entries: readonly string[];
}

/** The directory of a tree's packages, as `pip --target` fills it. */
export interface SharedTree {
  readonly packages: string;
}

/** Where everything is in an environment. */
const planOf = (root: string, interpreter: Interpreter, shared?: SharedTree) => {
  const [major = '3', minor = '0'] = interpreter.version.split('.');
  const lib = join('lib', `python${major}.${minor}`);
  const packages = join(lib, 'site-packages');
  const files = {
    python: join('bin', 'python'),
    alias: join('bin', `python${major}`),
    config: 'pyvenv.cfg',
    show: join(packages, 'studioml-shared.pth'),
  };
  const { show, ...always } = files;
  const entries = ['', 'bin', 'lib', lib, packages, ...Object.values(always), ...(shared ? [show] : [])];
  return { files, packages, entries, own: { root, python: join(root, files.python), bin: join(root, 'bin'), entries } };
};

/** The environment that stands at `root`, made for the same interpreter and shared packages. */
export const privateEnvironmentAt = (root: string, interpreter: Interpreter, shared?: SharedTree): PrivateEnvironment =>
  planOf(root, interpreter, shared).own;

/**
 * A virtual environment made by hand: three directories, two links, a pyvenv.cfg, and one .pth that shows the shared packages.
 * What pip inside the experiment installs lands here, not in the shared tree. Source: PEP 405, site module.
 * Synchronous: it takes less than a millisecond.
 */
export const createPrivateEnvironment = (
  root: string,
  interpreter: Interpreter,
  shared?: SharedTree,
): PrivateEnvironment => {
  const { files, packages, own } = planOf(root, interpreter, shared);
  const at = (path: string) => join(root, path);
  mkdirSync(own.bin, { recursive: true });
  mkdirSync(at(packages), { recursive: true });
  symlinkSync(interpreter.path, own.python);
  symlinkSync('python', at(files.alias));
  writeFileSync(
    at(files.config),
    `home = ${dirname(interpreter.path)}\ninclude-system-site-packages = false\nversion = ${interpreter.version}\n`,
  );
  // addsitedir and not the bare path: packages may bring .pth files of their own.
  const show = shared && `import site; site.addsitedir(${JSON.stringify(shared.packages)})\n`;
  if (show !== undefined) writeFileSync(at(files.show), show);
  return own;
};
