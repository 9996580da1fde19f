import { readdir, readFile, realpath } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve, sep } from 'node:path';
import { AttemptError } from '../errors.ts';
import { run } from '../resources/child-process.ts';

const probeTimeoutMs = 5000;

/** A Python that experiments can run on. */
export interface Interpreter {
  /** The real executable, never a link or a shim. */
  readonly path: string;
  /** `3.11.7` */
  readonly version: string;
  /** Whether `-m pip` works on it. */
  readonly hasPip: boolean;
}

const executableName = /^python(?:[23](?:\.\d+)?)?$/;
const pythonsIn = async (directory: string): Promise<string[]> => {
  const names = await readdir(directory).catch((): string[] => []);
  return names.filter(name => executableName.test(name)).map(name => join(directory, name));
};
const binsBelow = async (directory: string): Promise<string[]> => {
  const names = await readdir(directory).catch((): string[] => []);
  return names.map(name => join(directory, name, 'bin'));
};

const condaNames = ['miniconda3', 'anaconda3', 'miniforge3', 'mambaforge', 'micromamba', 'conda'];

/** Where conda and its kin put environments: below their own directories, and wherever `environments.txt` says. */
const condaBins = async (env: Readonly<Record<string, string | undefined>>, home: string): Promise<string[]> => {
  const { CONDA_EXE, CONDA_PREFIX, MAMBA_ROOT_PREFIX } = env;
  const said = [CONDA_EXE && dirname(dirname(CONDA_EXE)), CONDA_PREFIX, MAMBA_ROOT_PREFIX].filter(
    one => one !== undefined,
  );
  const roots = [...said, ...[home, '/opt'].flatMap(parent => condaNames.map(name => join(parent, name)))];
  const listed = await readFile(join(home, '.conda/environments.txt'), 'utf8').catch(() => '');
  const prefixes = [...roots, ...listed.split('\n').filter(line => line.startsWith('/'))];
  const below = await Promise.all(roots.map(root => binsBelow(join(root, 'envs'))));
  return [...prefixes.map(prefix => join(prefix.trim(), 'bin')), ...below.flat()];
};

/** Directories where interpreters live: PATH first, then where pyenv, uv and conda put theirs. */
const directories = async (env: Readonly<Record<string, string | undefined>>): Promise<string[]> => {
  const home = env['HOME'] || homedir();
  const pyenv = env['PYENV_ROOT'] || join(home, '.pyenv');
  const uv = env['UV_PYTHON_INSTALL_DIR'] || join(env['XDG_DATA_HOME'] || join(home, '.local/share'), 'uv/python');
  const onPath = (env['PATH'] ?? '').split(delimiter).filter(directory => directory !== '');
  const below = await Promise.all([join(pyenv, 'versions'), uv].map(binsBelow));
  const all = [...onPath, ...below.flat(), ...(await condaBins(env, home))];
  // Shims start a shell to find out which interpreter they stand for: those are found by themselves.
  const shims = resolve(pyenv, 'shims');
  return [...new Set(all.map(directory => resolve(directory)))].filter(directory => directory !== shims);
};

const question = [
  'import importlib.util as u, sys',
  'print("%d.%d.%d" % sys.version_info[:3], int(u.find_spec("pip") is not None), int(sys.prefix == sys.base_prefix))',
].join('\n');

/** Who is to run it. */
export interface ProbeUser {
  readonly uid: number;
  readonly gid: number;
}

const probe = async (path: string, user: ProbeUser | undefined): Promise<Interpreter | undefined> => {
  try {
    // -I: neither the runner's PYTHONPATH nor the user's own packages belong to the interpreter.
    const { stdout } = await run(path, ['-I', '-c', question], {
      timeout: probeTimeoutMs,
      killSignal: 'SIGKILL',
      ...(user && { uid: user.uid, gid: user.gid, cwd: '/' }),
    });
    const [, version, pip, isBase] = /^(\d+\.\d+\.\d+) ([01]) ([01])\s*$/.exec(stdout) ?? [];
    return version !== undefined && isBase === '1' ? { path, version, hasPip: pip === '1' } : undefined;
  } catch {
    return undefined;
  }
};

/**
 * Every Python 3 that is there: PATH's, pyenv's, uv's and conda's, in this order. What does not answer within 5 s is left out.
 * @param env where PATH, HOME, PYENV_ROOT are read
 * @param user who has to be able to run it; default: the runner
 */
export const findInterpreters = async (
  env: Readonly<Record<string, string | undefined>> = process.env,
  user?: ProbeUser,
): Promise<readonly Interpreter[]> => {
  const files = (await Promise.all((await directories(env)).map(pythonsIn))).flat();
  const real = await Promise.all(files.map(file => realpath(file).catch(() => undefined)));
  const paths = new Set(real.filter(path => path !== undefined && !path.includes(`${sep}shims${sep}`)));
  const found = await Promise.all([...(paths as ReadonlySet<string>)].map(path => probe(path, user)));
  return found.filter(one => one !== undefined).filter(one => one.version.startsWith('3.'));
};

const parts = (version: string): number[] => version.split('.').map(Number);
/** Of Python 3: 12 of 3.12.1. */
export const minorOf = ({ version }: Interpreter): number => parts(version)[1] ?? 0;
const newerFirst = (a: Interpreter, b: Interpreter): number => {
  const [ours, theirs] = [parts(a.version), parts(b.version)];
  const at = ours.findIndex((part, index) => part !== theirs[index]);
  return at === -1 ? 0 : (theirs[at] ?? 0) - (ours[at] ?? 0);
};

/**
 * The newest interpreter that agrees with a wish, compared by components: `3.1` is not 3.11. Of equals the first found.
 * @param wanted `3`, `3.11`, `3.11.7`; absent: any 3
 * Errors: AttemptError `no-interpreter`, which names what was asked for and what there is.
 */
export const chooseInterpreter = (found: readonly Interpreter[], wanted: string | undefined): Interpreter => {
  const asked = wanted ?? '3';
  const agrees = ({ version }: Interpreter) => parts(asked).every((part, index) => part === parts(version)[index]);
  const chosen = found.filter(agrees).sort(newerFirst)[0];
  if (chosen) return chosen;
  const there = found.map(({ version }) => version).join(', ') || 'none';
  throw new AttemptError('no-interpreter', `no Python ${asked} on this machine; there are: ${there}`);
};
