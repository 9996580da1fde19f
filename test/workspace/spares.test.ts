import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createWorkspace } from '../../lib/workspace/layout.ts';
import { openSpares, type Spares } from '../../lib/workspace/spares.ts';
import { markOf } from '../../lib/workspace/untouched.ts';

const inodeOf = (path: string): number => lstatSync(path).ino;

const scene = async (t: Test) => {
  const home = t.testdir();
  const spares = await openSpares(home);
  const used = join(home, 'used');
  spares.make(used);
  return { home, spares, used, mark: markOf(used) };
};

/** The inode of the next directory that is made. */
const next = ({ home, spares }: { home: string; spares: Spares }, name = 'next'): number => {
  spares.make(join(home, name));
  t.strictSame(readdirSync(join(home, name)), [], 'it is empty');
  return inodeOf(join(home, name));
};

t.test('a directory that nobody touched serves the next one', async t => {
  const it = await scene(t);
  const inode = inodeOf(it.used);
  await it.spares.keep(it.used, it.mark);
  t.notOk(existsSync(it.used), 'it went from its place');
  t.equal(next(it), inode);
  t.not(next(it, 'another'), inode, 'one serves once');
});

t.test('what the runner put there before goes, and its mode is that of a new one', async t => {
  const it = await scene(t);
  mkdirSync(join(it.used, 'deep/er'), { recursive: true });
  writeFileSync(join(it.used, 'deep/er/file'), 'x');
  chmodSync(it.used, 0o2700);
  const inode = inodeOf(it.used);
  await it.spares.keep(it.used, markOf(it.used));
  t.equal(next(it), inode);
  const fresh = join(it.home, 'fresh');
  mkdirSync(fresh);
  t.equal(lstatSync(join(it.home, 'next')).mode, lstatSync(fresh).mode);
});

const changes: Readonly<Record<string, (path: string) => void>> = {
  'a file': path => {
    writeFileSync(join(path, 'planted'), '');
  },
  'a directory that is gone again': path => {
    mkdirSync(join(path, 'gone'));
    rmdirSync(join(path, 'gone'));
  },
  'another mode and the old one again': path => {
    const { mode } = lstatSync(path);
    chmodSync(path, 0o700);
    chmodSync(path, mode);
  },
  'its times set back': path => {
    const { atime, mtime } = lstatSync(path);
    chmodSync(path, 0o777);
    utimesSync(path, atime, mtime);
  },
  'another directory in its place': path => {
    rmdirSync(path);
    mkdirSync(path);
  },
};
for (const [what, change] of Object.entries(changes)) {
  t.test(`${what}: it is not kept`, async t => {
    const it = await scene(t);
    const { mark } = it;
    await new Promise(resolve => setTimeout(resolve, 20));
    change(it.used);
    const inode = inodeOf(it.used);
    await it.spares.keep(it.used, mark);
    t.ok(existsSync(it.used), 'it stays for who removes all');
    t.not(next(it), inode);
  });
  t.test(`${what}, while it was kept: it does not serve`, async t => {
    const it = await scene(t);
    await it.spares.keep(it.used, it.mark);
    const [kept = ''] = readdirSync(it.spares.directory);
    await new Promise(resolve => setTimeout(resolve, 20));
    change(join(it.spares.directory, kept));
    const inode = inodeOf(join(it.spares.directory, kept));
    t.not(next(it), inode);
  });
}

t.test('one that went meanwhile does no harm', async t => {
  const it = await scene(t);
  await it.spares.keep(it.used, it.mark);
  rmdirSync(join(it.spares.directory, readdirSync(it.spares.directory)[0] ?? ''));
  next(it);
  await it.spares.keep(it.used, it.mark);
  t.ok(existsSync(join(it.home, 'next')));
});

t.test('spares go with their runner, and those of one that was killed with the next', async t => {
  const home = t.testdir({ spares: { 'host~1~1~1': { 0: {} } } });
  utimesSync(join(home, 'spares/host~1~1~1'), 0, 0);
  const spares = await openSpares(home);
  t.equal(readdirSync(join(home, 'spares')).length, 1);
  await spares.close();
  t.strictSame(readdirSync(join(home, 'spares')), []);
});

t.test('an attempt leaves its untouched directories to the next one', async t => {
  const home = t.testdir();
  const spares = await openSpares(home);
  const first = createWorkspace({ home, key: 'a', spares });
  first.makeDirectory('modeldir');
  first.makeDirectory('modeldir');
  first.makeDirectory('tb');
  writeFileSync(join(first.workspace, 'program.py'), 'from the archive');
  const keep = first.mark();
  await new Promise(resolve => setTimeout(resolve, 20));
  writeFileSync(join(first.directoryOf('modeldir'), 'weights'), 'what it learnt');
  const untouched = [first.workspace, first.output, first.metadata, first.tmp, first.directoryOf('tb')].map(inodeOf);
  const touched = inodeOf(first.directoryOf('modeldir'));
  keep();
  await first.remove();
  t.notOk(existsSync(first.root));
  const second = createWorkspace({ home, key: 'b', spares });
  second.makeDirectory('other');
  t.strictSame(readdirSync(second.root).sort(), ['_metadata', '_runner', 'other', 'output', 'workspace']);
  t.strictSame(readdirSync(second.workspace), []);
  const now = [second.workspace, second.output, second.metadata, second.tmp, second.directoryOf('other')].map(inodeOf);
  t.strictSame(now.sort(), untouched.sort());
  t.notOk(now.includes(touched));
});

t.test('the root of an untouched attempt serves the next one, with its own directory', async t => {
  const home = t.testdir();
  const spares = await openSpares(home);
  const first = createWorkspace({ home, key: 'a', spares });
  const keep = first.mark();
  const roots = [first.root, first.runner].map(inodeOf);
  await new Promise(resolve => setTimeout(resolve, 20));
  writeFileSync(first.outputFile, 'what it printed');
  keep();
  writeFileSync(join(first.runner, 'status'), 'of the runner, after its end');
  mkdirSync(join(first.root, 'an artifact'));
  await first.remove();
  t.notOk(existsSync(first.root));
  const second = createWorkspace({ home, key: 'a', spares });
  t.equal(second.root, first.root);
  t.strictSame([second.root, second.runner].map(inodeOf), roots);
  t.strictSame(readdirSync(second.root).sort(), ['_metadata', '_runner', 'output', 'workspace']);
  t.strictSame(readdirSync(second.runner), ['tmp']);
  t.strictSame(readdirSync(second.output), []);
});

for (const where of ['root', 'runner'] as const) {
  t.test(`a program that wrote into ${where} leaves it to nobody`, async t => {
    const home = t.testdir();
    const spares = await openSpares(home);
    const first = createWorkspace({ home, key: 'a', spares });
    const keep = first.mark();
    await new Promise(resolve => setTimeout(resolve, 20));
    writeFileSync(join(first[where], 'planted'), '');
    keep();
    await first.remove();
    t.notOk(existsSync(first.root));
    const kept = readdirSync(spares.directory, { recursive: true }).map(String);
    t.strictSame(
      kept.filter(path => /_runner|planted/.test(path)),
      [],
    );
  });
}

t.test('a spare root takes no place that is taken', async t => {
  const home = t.testdir();
  const spares = await openSpares(home);
  const first = createWorkspace({ home, key: 'a', spares });
  first.mark()();
  await first.remove();
  mkdirSync(join(first.root, 'of another runner'), { recursive: true });
  mkdirSync(first.root.replace(/\.0$/, '.1'));
  writeFileSync(first.root.replace(/\.0$/, '.2'), 'a file');
  t.throws(() => spares.make(first.root, ['_runner']), { code: 'ENOTEMPTY' });
  t.throws(() => spares.make(first.root.replace(/\.0$/, '.2'), ['_runner']), { code: 'ENOTDIR' });
  t.equal(createWorkspace({ home, key: 'a', spares }).root, first.root.replace(/\.0$/, '.3'));
});

t.test('an attempt of which something still runs leaves nothing', async t => {
  const home = t.testdir();
  const spares = await openSpares(home);
  const first = createWorkspace({ home, key: 'a', spares });
  first.mark();
  await first.remove();
  t.strictSame(readdirSync(spares.directory), []);
});
