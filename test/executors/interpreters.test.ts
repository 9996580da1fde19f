import { chmodSync, writeFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { chooseInterpreter, findInterpreters } from '../../lib/executors/interpreters.ts';

const of = (...versions: string[]) => versions.map(version => ({ path: `/py/${version}`, version, hasPip: true }));

t.test('the newest that agrees is chosen, by numbers and not by letters', t => {
  const found = of('3.9.18', '3.11.7', '3.10.13', '3.11.2');
  t.equal(chooseInterpreter(found, '3').version, '3.11.7');
  t.equal(chooseInterpreter(found, undefined).version, '3.11.7');
  t.equal(chooseInterpreter(found, '3.9').version, '3.9.18');
  t.equal(chooseInterpreter(found, '3.11.2').version, '3.11.2');
  t.end();
});

t.test('3.1 is not 3.11', t => {
  t.throws(() => chooseInterpreter(of('3.11.7'), '3.1'), {
    code: 'no-interpreter',
    message: /no Python 3\.1 .*3\.11\.7/,
  });
  t.end();
});

t.test('where there is none, that is said', t => {
  t.throws(() => chooseInterpreter([], '3'), { code: 'no-interpreter', message: /none/ });
  t.end();
});

/** A program that answers like an interpreter. */
const fake = (file: string, answer: string) => {
  writeFileSync(file, `#!/bin/sh\n${answer}\n`);
  chmodSync(file, 0o755);
};
const home = (t: Test) => {
  const root = t.testdir({ path: {}, home: { '.pyenv': { shims: {}, versions: { '3.10.1': { bin: {} } } } } });
  return { path: join(root, 'path'), home: join(root, 'home') };
};

t.test("PATH's and pyenv's are found, each once, shims and Python 2 left out", async t => {
  const { path, home: HOME } = home(t);
  const shims = join(HOME, '.pyenv/shims');
  fake(join(path, 'python3.12'), 'echo 3.12.4 1 1');
  symlinkSync('python3.12', join(path, 'python3'));
  fake(join(path, 'python2.7'), 'echo 2.7.18 1 1');
  fake(join(path, 'python3-config'), 'echo 3.99.0 1 1');
  fake(join(shims, 'python3'), 'echo 3.98.0 1 1');
  fake(join(HOME, '.pyenv/versions/3.10.1/bin/python3.10'), 'echo 3.10.1 0 1');
  const found = await findInterpreters({ PATH: `${shims}:${path}:/nowhere:`, HOME });
  const ours = found.filter(one => one.path.startsWith(path) || one.path.startsWith(HOME));
  t.strictSame(ours, [
    { path: join(path, 'python3.12'), version: '3.12.4', hasPip: true },
    { path: join(HOME, '.pyenv/versions/3.10.1/bin/python3.10'), version: '3.10.1', hasPip: false },
  ]);
});

t.test('what fails, hangs or talks nonsense is left out', async t => {
  const { path, home: HOME } = home(t);
  fake(join(path, 'python3.7'), 'exit 1');
  fake(join(path, 'python3.8'), 'echo hello');
  fake(join(path, 'python3.9'), 'exec /bin/sleep 600');
  fake(join(path, 'python3.10'), 'echo 3.10.2 1 1');
  mkdirSync(join(path, 'python3.11'));
  const found = await findInterpreters({ PATH: path, HOME });
  t.strictSame(
    found.filter(one => one.path.startsWith(path)).map(one => one.version),
    ['3.10.2'],
  );
});

t.test('each layout is found, and one of them is chosen', async t => {
  const root = t.testdir({ home: {}, elsewhere: {}, uv: {}, mamba: {} });
  const HOME = join(root, 'home');
  const at = (version: string, ...place: string[]) => {
    const bin = join(root, ...place, 'bin');
    mkdirSync(bin, { recursive: true });
    fake(join(bin, `python${version.split('.').slice(0, 2).join('.')}`), `echo ${version} 1 1`);
  };
  at('3.4.1', 'home/.pyenv/versions/3.4.1');
  at('3.4.2', 'uv/cpython-3.4.2-linux-x86_64-gnu');
  at('3.4.3', 'home/miniconda3');
  at('3.4.4', 'home/miniforge3/envs/science');
  at('3.4.5', 'mamba/envs/one');
  at('3.4.6', 'elsewhere/env');
  at('3.4.7', 'home/anaconda3/envs/old');
  mkdirSync(join(HOME, '.conda'));
  writeFileSync(join(HOME, '.conda/environments.txt'), `${root}/elsewhere/env\n/nowhere\n`);
  const env = { PATH: '', HOME, UV_PYTHON_INSTALL_DIR: join(root, 'uv'), MAMBA_ROOT_PREFIX: join(root, 'mamba') };
  const found = await findInterpreters(env);
  t.strictSame(
    found
      .filter(({ path }) => path.startsWith(root))
      .map(({ version }) => version.at(-1))
      .sort(),
    ['1', '2', '3', '4', '5', '6', '7'],
  );
  t.equal(chooseInterpreter(found, '3.4').version, '3.4.7');
  t.ok(chooseInterpreter(found, '3.4.5').path.startsWith(join(root, 'mamba')));
});
