/** Shared environments with both tools, on a package index of the test's own. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createPrivateEnvironment } from '../../lib/executors/private-environment.ts';
import { environmentsScene, type SceneSettings } from '../helpers/environments.ts';
import { eventually } from '../helpers/eventually.ts';
import { needService } from '../helpers/services.ts';
import { wheelOf } from '../helpers/wheels.ts';

type Scene = Awaited<ReturnType<typeof environmentsScene>>;

/** What a run in this environment prints. */
const printed = (it: Scene, t: Test, shared: { packages: string; bin: string }, ...args: string[]): string => {
  const own = createPrivateEnvironment(join(t.testdirName, `own-${String(Math.random())}`), it.interpreter, shared);
  const env = { PATH: `${own.bin}:${shared.bin}:/usr/bin:/bin`, PYTHONDONTWRITEBYTECODE: '1' };
  const [program = 'python', ...rest] = args;
  return execFileSync(program, rest, { env, encoding: 'utf8' }).trim();
};
const isUsed = (it: Scene): string[] =>
  readdirSync(join(it.directory, 'uses')).flatMap(id => readdirSync(join(it.directory, 'uses', id)));

const suite = (title: string, toolOf: (t: Test) => { uv: string | undefined } | undefined) => {
  const start = (t: Test, settings?: SceneSettings) => {
    const tool = toolOf(t);
    return tool && environmentsScene(t, tool.uv, settings);
  };

  t.test(`${title}: twenty at once, on two runners, share one environment that was built once`, async t => {
    const it = await start(t, { realPip: true });
    if (!it) return;
    const other = it.open();
    const wanted = it.wanted(['right==1.0']);
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? other : it.environments).get(wanted)));
    t.equal(all.filter(one => one.built).length, 1);
    t.equal(new Set(all.map(one => one.key)).size, 1);
    const [shared] = all;
    if (!shared) throw new Error('there is none');
    t.match(
      shared.tree.find(one => one.name === 'right'),
      { version: '1.0', requires: ['left'] },
    );
    t.ok(shared.lock.includes('left==2.0') && shared.lock.includes('right==1.0'));
    t.match(readFileSync(it.log, 'utf8'), /right/);
    t.equal(
      printed(it, t, shared, 'python', '-c', 'import left; print(left.__file__)'),
      join(shared.packages, 'left.py'),
    );
    t.match(printed(it, t, shared, 'python', '-m', 'pip', '--version'), shared.packages);
    t.equal(printed(it, t, shared, 'left'), 'left 2.0', "a package's program runs where the package is");
    await Promise.all(all.map(one => one.release()));
    t.strictSame(isUsed(it), [], 'nobody uses it any more');
    await it.environments.close();
    await other.close();
    t.strictSame(
      readdirSync(it.directory).sort(),
      ['current', 'names', 'trees', 'uses'],
      'neither lock nor staging is left',
    );
  });

  t.test(`${title}: the same content is one environment however it is asked for; another is another`, async t => {
    const it = await start(t);
    if (!it) return;
    const [open, exact, older] = [await it.get(['left']), await it.get(['left==2.0']), await it.get(['left<2'])];
    t.equal(open.key, exact.key);
    t.not(open.key, older.key);
    const again = await it.get([...older.lock]);
    t.equal(again.key, older.key, 'a lock makes what it was taken from');
  });

  t.test(`${title}: a requirement that does not exist fails everybody who waits, in the tool's words`, async t => {
    const it = await start(t);
    if (!it) return;
    const wanted = 'no-such-requirement==9.9';
    const ends = await Promise.allSettled([it.get([wanted]), it.get([wanted])]);
    for (const end of ends)
      t.match(end, { status: 'rejected', reason: { code: 'environment', message: /no-such-requirement/ } });
    t.match(readFileSync(it.log, 'utf8'), /no-such-requirement/);
    t.strictSame(readdirSync(it.directory), []);
  });

  t.test(
    `${title}: requirements with hashes are installed by them, and what every environment holds without`,
    async t => {
      const it = await start(t, { realPip: true });
      if (!it) return;
      const parts = { name: 'left', version: '1.0', scripts: ['left = left:main'] };
      const hash = `--hash=sha256:${createHash('sha256').update(wheelOf(parts).body).digest('hex')}`;
      const file = join(t.testdirName, 'locked.in');
      writeFileSync(file, `left==1.0 \\\n    ${hash}\n`);
      const shared = await it.get([`-r ${file}`]);
      t.strictSame(
        shared.tree.map(({ name }) => name).filter(name => ['left', 'pip'].includes(name)),
        ['left', 'pip'],
      );
      t.equal(printed(it, t, shared, 'left'), 'left 1.0');
      t.match(printed(it, t, shared, 'pip', '--version'), shared.packages);
      t.equal((await it.get(['left==1.0'])).key, shared.key, 'it is what it would be without hashes');

      t.equal((await it.get(['--require-hashes', `left==1.0 ${hash}`])).key, shared.key);
      const strange = `left==2.0 ${hash}`;
      await t.rejects(it.get([strange]), { code: 'environment', message: /hash/i });
    },
  );

  t.test(`${title}: an abort ends the installation and leaves nothing`, async t => {
    const it = await start(t);
    if (!it) return;
    const stop = new AbortController();
    const asked = it.get(['left'], { signal: stop.signal });
    setImmediate(() => {
      stop.abort(new Error('enough'));
    });
    await t.rejects(asked, /enough/);
    t.ok((await it.get(['left'])).built);
  });

  t.test(`${title}: a tree that a run has changed serves no longer, whatever the run did`, async t => {
    const it = await start(t);
    if (!it) return;
    const spoilt = await it.get(['left==1.0']);
    const beside = await it.get(['left==1.0']);
    t.equal(beside.packages, spoilt.packages);
    writeFileSync(join(spoilt.packages, 'left.py'), 'version = "spoilt"\n');
    const released = spoilt.release();
    const next = await it.get(['left==1.0']);
    await released;
    t.ok(next.built, 'who asks after a run has ended waits for the look at what it left');
    t.equal(next.key, spoilt.key);
    t.match(readFileSync(join(next.packages, 'left.py'), 'utf8'), /version = "1.0"/);
    t.strictSame(
      it.events.filter(({ event }) => event === 'environment-changed').map(({ fields }) => fields),
      [{ environment: spoilt.key, what: 'left.py' }],
    );
    t.ok(existsSync(spoilt.packages), 'who runs on it goes on');
    await beside.release();
    await eventually(() => {
      assert.ok(!existsSync(spoilt.packages), 'then it goes');
    });
  });
};

suite('pip', () => ({ uv: undefined }));
suite('uv', t => {
  const uv = needService(t, 'TEST_UV');
  return uv === undefined ? undefined : { uv };
});

t.test('uv: what is asked for again gets its bytecode, in a copy that replaces the tree', async t => {
  const uv = needService(t, 'TEST_UV');
  if (uv === undefined) return;
  const it = await environmentsScene(t, uv);
  const first = await it.get(['left==1.0']);
  t.notOk(existsSync(join(first.packages, '__pycache__')));
  const second = await it.get(['left==1.0']);
  t.equal(second.packages, first.packages);
  const serves = () => readFileSync(join(it.directory, 'current', first.key), 'utf8');
  await eventually(
    () => {
      assert.ok(!first.packages.includes(serves()));
    },
    { timeoutMs: 120_000 },
  );
  const copy = await it.get(['left==1.0']);
  t.equal(copy.key, first.key);
  t.match(readdirSync(join(copy.packages, '__pycache__')), [/^left\..*\.pyc$/]);
  t.equal(printed(it, t, copy, 'left'), 'left 1.0');
  await copy.release();
  t.strictSame(
    it.events.map(({ event }) => event),
    ['environment-built'],
    'neither the copy nor a run on it is a change',
  );
  for (const one of [first, second]) await one.release();
});

t.test('uv: an index that is away stops nobody who was served before', async t => {
  const uv = needService(t, 'TEST_UV');
  if (uv === undefined) return;
  let nowMs = 1e12;
  const it = await environmentsScene(t, uv, { now: () => nowMs });
  const before = await it.get(['left']);
  it.index.add({ name: 'left', version: '3.0' });
  t.equal((await it.get(['left'])).key, before.key, 'a name stands for what came of it for a while');
  nowMs += 3_600_000;
  const newer = await it.get(['left']);
  t.ok(newer.lock.includes('left==3.0'), 'then it is asked for anew');
  it.index.close();
  nowMs += 3_600_000;
  t.equal((await it.get(['left'])).key, newer.key);
});

t.test('uv: what a killed runner left is looked at before it is used', async t => {
  const uv = needService(t, 'TEST_UV');
  if (uv === undefined) return;
  const it = await environmentsScene(t, uv);
  const before = await it.get(['left==1.0']);
  writeFileSync(join(before.packages, 'more.py'), '');
  const after = await it.open().get(it.wanted(['left==1.0']));
  t.ok(after.built);
  t.notOk(existsSync(join(after.packages, 'more.py')));
});
