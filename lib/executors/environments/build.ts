import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { install } from '../installer.ts';
import { minorOf, type Interpreter } from '../interpreters.ts';
import type { Asked } from './asked.ts';
import { copyCompiled } from './compile.ts';
import { readContent } from './content.ts';
import { readLines } from './read-lines.ts';
import { survey } from './survey.ts';
import type { Tree, Trees } from './trees.ts';

export interface Build extends Asked {
  readonly uv: string | undefined;
  /** File that gets what the tool prints. */
  readonly log: string;
  readonly signal: AbortSignal;
  /** See InstallSettings. */
  readonly tries?: number;
}

/** What every environment holds. Scripts for older Pythons import pkg_resources. Source: spec "Python (virtual environment)". */
const basics = (python: Interpreter): readonly string[] =>
  minorOf(python) >= 12 ? ['pip'] : ['pip', 'setuptools<81', 'wheel'];

const interpreterLines = /^#!.*python.*\n|^#!\/bin\/sh\n'''exec' .*\n' '''\n/;

/** The packages' programs start the interpreter that they were installed with, which knows nothing of them: let PATH decide. */
const freeScripts = async (bin: string): Promise<void> => {
  for (const name of await readdir(bin).catch(() => [])) {
    const file = join(bin, name);
    const text = await readFile(file, 'latin1').catch(() => '');
    if (interpreterLines.test(text))
      await writeFile(file, text.replace(interpreterLines, '#!/usr/bin/env python\n'), 'latin1');
  }
};

/**
 * Install what was asked for, and what every environment holds. Where hashes are asked for, a tool refuses all that comes without:
 * then the rest is installed by itself, as far as it is not there, and put beside. pip would pass over a directory, as `bin`, that a
 * target has already.
 * Source: pip, "Secure installs"; `pip install --target`.
 */
const installAll = async (build: Build, packages: string, scratch: string): Promise<void> => {
  const { interpreter, requirements } = build;
  const into = (target: string, lines: readonly string[]) =>
    install({ ...build, requirements: lines, target, scratch });
  const { hasHashes, options } = await readLines(requirements);
  if (!hasHashes) {
    await into(packages, [...basics(interpreter), ...requirements]);
    return;
  }
  await into(packages, requirements);
  const { tree } = await readContent(packages, interpreter);
  const there = new Map(tree.map(({ name, version }) => [name.toLowerCase(), version]));
  const missing = basics(interpreter).filter(line => !there.has(line.replace(/<.*/, '')));
  if (missing.length === 0) return;
  const constraints = [...there].map(([name, version]) => `${name}==${version}\n`);
  await writeFile(join(scratch, 'constraints.txt'), constraints.join(''));
  const beside = join(scratch, 'beside');
  await into(beside, [...options, '-c constraints.txt', ...missing]);
  // Bytecode knows its source by the time of it.
  await cp(beside, packages, { recursive: true, force: false, preserveTimestamps: true, verbatimSymlinks: true });
  await rm(beside, { recursive: true });
};

/**
 * Install what was asked for, and make it the tree for its content, unless there is one.
 * @param existing the tree that serves for a content, if it is what it was
 * Errors: those of `install`.
 */
export const buildTree = async (
  trees: Trees,
  build: Build,
  existing: (key: string) => Promise<Tree | undefined>,
): Promise<Tree> =>
  trees.inStaging(async staging => {
    const packages = join(staging, 'packages');
    const { interpreter, uv, signal } = build;
    await installAll(build, packages, staging);
    await freeScripts(join(packages, 'bin'));
    const content = await readContent(packages, interpreter);
    const there = await existing(content.key);
    if (there) return there;
    const { fingerprint, bytes } = await survey(interpreter.path, packages, signal);
    const id = trees.newId(content.key);
    // pip compiles what it installs.
    const tree = { ...content, id, python: interpreter.path, fingerprint, bytes, compiled: uv === undefined };
    await trees.publish(staging, tree);
    return tree;
  });

/**
 * Make a copy of a tree that has its bytecode, and let it serve instead. Out: the copy; undefined where the tree was changed meanwhile.
 * Errors: those of the processes; the signal's reason.
 */
export const compileTree = async (trees: Trees, tree: Tree, signal: AbortSignal): Promise<Tree | undefined> =>
  trees.inStaging(async staging => {
    const packages = join(staging, 'packages');
    const id = trees.newId(tree.key);
    const from = trees.packagesOf(tree.id);
    await copyCompiled(tree.python, from, packages, trees.packagesOf(id), signal);
    const { fingerprint: before } = await survey(tree.python, from, signal);
    if (before !== tree.fingerprint || trees.currentId(tree.key) !== tree.id) return undefined;
    const { fingerprint, bytes } = await survey(tree.python, packages, signal);
    const compiled: Tree = { ...tree, id, fingerprint, bytes, compiled: true };
    await trees.publish(staging, compiled);
    return compiled;
  });
