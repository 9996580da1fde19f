import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Interpreter } from './interpreters.ts';

/** An environment of one attempt. */
export interface PrivateEnvironment {
  readonly root: string;
  readonly python: string;
  /** For PATH. */
  readonly bin: string;
}

/** The directory of a tree's packages, as `pip --target` fills it. */
export interface SharedTree {
  readonly packages: string;
}

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
  const bin = join(root, 'bin');
  const [major = '3', minor = '0'] = interpreter.version.split('.');
  const packages = join(root, 'lib', `python${major}.${minor}`, 'site-packages');
  mkdirSync(bin, { recursive: true });
  mkdirSync(packages, { recursive: true });
  const python = join(bin, 'python');
  symlinkSync(interpreter.path, python);
  symlinkSync('python', join(bin, `python${major}`));
  writeFileSync(
    join(root, 'pyvenv.cfg'),
    `home = ${dirname(interpreter.path)}\ninclude-system-site-packages = false\nversion = ${interpreter.version}\n`,
  );
  // addsitedir and not the bare path: packages may bring .pth files of their own.
  const show = shared && `import site; site.addsitedir(${JSON.stringify(shared.packages)})\n`;
  if (show !== undefined) writeFileSync(join(packages, 'studioml-shared.pth'), show);
  return { root, python, bin };
};
