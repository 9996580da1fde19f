import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { jsonLines, runCommand } from '../helpers/run-command.ts';

interface Told {
  readonly check: string;
  readonly status: string;
  readonly found: string;
}

t.test('every Python that experiments can run on is listed; an engine that is not there is a warning', async t => {
  const home = t.testdir();
  const bin = join(home, '.pyenv/versions/3.4.1/bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'python3.4'), '#!/bin/sh\necho 3.4.1 1 1\n');
  chmodSync(join(bin, 'python3.4'), 0o755);
  const env = { HOME: home, QUEUE_ROOT: home, WORKING_DIR: home, DOCKER_HOST: 'unix:///nowhere/docker.sock' };
  const told = jsonLines<Told>(await runCommand(['check', '--json'], env));
  const of = (name: string) => told.find(({ check }) => check === name);
  t.match(of('Python'), { status: 'ok', found: `3.4.1 (${join(bin, 'python3.4')})` });
  t.match(of('GPUs'), { status: 'ok', found: /no nvidia-smi/ });
  t.match(of('container engine'), { status: 'warning', found: /nowhere/ });
});

t.test('a working directory that the runner will make is none that lacks, one that it can not make is', async t => {
  const root = t.testdir({ file: '' });
  const found = async (place: string) => {
    const ended = await runCommand(['check', '--json'], { QUEUE_ROOT: root, WORKING_DIR: place });
    return jsonLines<Told>(ended).find(({ check }) => check === 'working directory');
  };
  t.match(await found(join(root, 'a/b')), {
    status: 'ok',
    found: new RegExp(`^${root}/a/b, which the runner makes, `),
  });
  t.match(await found(join(root, 'file')), { status: 'failure', found: `${root}/file: it is not a directory` });
  t.match(await found('/proc/none'), { status: 'failure', found: /^\/proc: / });
});
