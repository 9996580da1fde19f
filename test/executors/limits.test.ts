import { strict as assert } from 'node:assert';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { createConfinement, type Limits } from '../../lib/executors/confinement.ts';
import { inGroup } from '../../lib/executors/grouped-shell.ts';
import { createLauncher, type Launcher } from '../../lib/executors/launcher.ts';
import { startProcess } from '../../lib/executors/process.ts';
import { startShell } from '../../lib/executors/shells.ts';
import { createWatch, type Watch } from '../../lib/executors/watch.ts';
import type { Run } from '../../lib/model/attempt.ts';
import { noControlGroups, openControlGroups, type ControlGroups } from '../../lib/resources/cgroups/control-groups.ts';
import { eventually } from '../helpers/eventually.ts';
import { isAlive, livingWith } from '../helpers/process-life.ts';

const programs = join(import.meta.dirname, '../../fixtures/experiments');
const mb = 1e6;
const opened = await openControlGroups();
t.teardown(() => opened.close());

interface Machine {
  readonly groups: ControlGroups;
  /** Memory left on it; more than enough where not told. */
  readonly availableBytes?: () => number;
}

/** One directory a test: making it anew would take it away from who runs in it. */
const places = new Map<string, string>();
const placeOf = (t: Test): string => {
  const place = places.get(t.testdirName) ?? t.testdir({});
  places.set(t.testdirName, place);
  return place;
};

const noLimits = { memoryBytes: 0, isCeiling: false, diskBytes: 0, processes: 40, onOverdrawn: () => undefined };

const launcherIn = (
  groups: ControlGroups,
  watch: Watch,
  limits: Partial<Limits> & Pick<Limits, 'directory'>,
): Launcher => {
  const { shell, group } = inGroup(startShell(Date.now), groups);
  return createLauncher(shell, createConfinement(watch, group, { ...noLimits, ...limits }));
};

const start = async (t: Test, { groups, availableBytes }: Machine, program: string, limits: Partial<Limits> = {}) => {
  const watch = createWatch({
    availableBytes: () => Promise.resolve(availableBytes?.() ?? Infinity),
    reserveBytes: 100 * mb,
  });
  const name = `test-${randomUUID()}`;
  const launcher = launcherIn(groups, watch, { directory: placeOf(t), ...limits });
  const kill = new AbortController();
  const marker = `STUDIOML_EXPERIMENT=${name}`;
  const env = { PATH: process.env['PATH'] ?? '', STUDIOML_EXPERIMENT: name };
  // The name as an argument: a process that emptied its environment is still known by it.
  const command = { file: '/usr/bin/env', args: ['python3', join(programs, program), name], cwd: placeOf(t), env };
  const run = await startProcess(command, {
    signal: new AbortController().signal,
    graceMs: 500,
    kill: kill.signal,
    marker,
    launcher,
  });
  t.teardown(async () => {
    kill.abort();
    await run.exit;
  });
  return { run, name, joins: launcher.confinement.group?.joins ?? [] };
};
const drained = async (run: Run) => {
  const [out, err, exit] = await Promise.all([text(run.stdout), text(run.stderr), run.exit]);
  return { out, err, exit };
};

const machines: readonly [string, ControlGroups][] = [
  ['control groups', opened],
  ['watched', noControlGroups],
];
for (const [title, groups] of machines) {
  const missing = title === 'control groups' && !groups.enforced.memory;
  const options = missing ? { skip: 'this machine lets nobody make control groups' } : {};

  t.test(`${title}: memory beyond a ceiling ends it, and only it`, options, async t => {
    const limits = { memoryBytes: 100 * mb, isCeiling: true };
    const neighbour = await start(t, { groups }, 'ignores-sigterm.py', limits);
    const { run, joins } = await start(t, { groups }, 'too-much-memory.py', limits);
    const { exit } = await drained(run);
    t.match(exit, { signal: 'SIGKILL', exceeded: { resource: 'memory', limitBytes: 100 * mb, because: 'ceiling' } });
    t.ok((exit.usage?.memoryBytes ?? 0) > 50 * mb, `the peak is told (${String(exit.usage?.memoryBytes)})`);
    t.ok(isAlive(neighbour.run.pid ?? 0));
    t.notOk(joins.some(existsSync), 'its control group is gone');
  });

  t.test(`${title}: memory beyond what was asked for is told once, and is no error`, options, async t => {
    const told: number[] = [];
    const { run } = await start(t, { groups }, 'holds-memory.py', {
      memoryBytes: 50 * mb,
      onOverdrawn: usedBytes => told.push(usedBytes),
    });
    await eventually(() => {
      assert.ok((told[0] ?? 0) > 50 * mb);
    });
    await sleep(600);
    t.equal(told.length, 1);
    t.ok(isAlive(run.pid ?? 0));
    run.stop('cancelled');
    t.notOk('exceeded' in (await drained(run)).exit);
  });

  t.test(`${title}: a machine that runs short ends the one that is the furthest beyond`, options, async t => {
    let left = Infinity;
    const machine = { groups, availableBytes: () => left };
    const { run } = await start(t, machine, 'holds-memory.py', { memoryBytes: 10 * mb });
    await new Promise(resolve => run.stdout.once('data', resolve));
    left = 1;
    const { exit } = await drained(run);
    t.match(exit, { stoppedBy: 'out-of-memory', exceeded: { because: 'shortage', limitBytes: 10 * mb } });
    t.ok((exit.exceeded?.usedBytes ?? 0) > 100 * mb, 'by what it uses then');
  });

  t.test(`${title}: disk beyond what was granted ends it`, options, async t => {
    const { run } = await start(t, { groups }, 'too-much-disk.py', { diskBytes: 20 * mb });
    const { exit } = await drained(run);
    t.match(exit, { stoppedBy: 'out-of-disk', exceeded: { resource: 'disk', limitBytes: 20 * mb } });
    t.ok((exit.usage?.diskBytes ?? 0) > 20 * mb);
  });

  for (const program of ['forgets-itself.py', 'ignores-sigterm.py', 'daemon.py', 'own-session-deaf.py'])
    t.test(`${title}: nothing of ${program} is left`, options, async t => {
      const { run, name, joins } = await start(t, { groups }, program);
      await new Promise(resolve => run.stdout.once('data', resolve));
      run.stop('cancelled');
      await drained(run);
      t.strictSame(livingWith(name), []);
      t.notOk(joins.some(existsSync));
    });
}

t.test(
  'a fork bomb whose processes hide is held, and ended with all of them',
  opened.enforced.processes ? {} : { skip: 'this machine lets nobody make control groups' },
  async t => {
    const { run, name } = await start(t, { groups: opened }, 'fork-bomb.py');
    await eventually(() => {
      assert.ok(livingWith(name).length >= 30);
    });
    t.ok(livingWith(name).length <= 40);
    run.stop('cancelled');
    const { exit } = await drained(run);
    t.strictSame(livingWith(name), [], 'nothing is left when it has ended');
    t.match(exit, { stoppedBy: 'cancelled' });
    t.ok((exit.refusedStarts ?? 0) > 0);
  },
);

t.test(
  'a limit that is seen to be exceeded when a program has ended did not end it, and nothing is stopped any more',
  async t => {
    let told = false;
    const late: Watch = {
      add: ({ onExceeded }) => ({
        end: () => {
          onExceeded({ resource: 'disk', limitBytes: mb, usedBytes: 2 * mb, because: 'ceiling' });
          told = true;
          return Promise.resolve({ memoryPeakBytes: 0, diskPeakBytes: 2 * mb });
        },
      }),
    };
    const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length;
    const launcher = launcherIn(noControlGroups, late, { directory: placeOf(t) });
    const command = { file: '/bin/true', args: [], cwd: '/', env: { X: 'late' } };
    const before = timers();
    const signal = new AbortController().signal;
    const run = await startProcess(command, { signal, graceMs: 600_000, marker: 'X=late', launcher });
    const { exit } = await drained(run);
    t.ok(told);
    t.match(exit, { code: 0, usage: { diskBytes: 2 * mb } });
    t.notOk('exceeded' in exit || 'stoppedBy' in exit);
    run.stop('cancelled');
    t.ok(timers() <= before, 'no grace runs');
  },
);

t.test('variables whose names no shell could write arrive too', async t => {
  const watch = createWatch({ availableBytes: () => Promise.resolve(Infinity), reserveBytes: 0 });
  const env = { 'odd.name': "it's $HOME", PLAIN: 'x y' };
  const command = { file: '/usr/bin/env', args: [], cwd: '/', env };
  const signal = new AbortController().signal;
  const launcher = launcherIn(opened, watch, { directory: t.testdir({}) });
  const run = await startProcess(command, { signal, graceMs: 0, marker: 'PLAIN=x y', launcher });
  const { out } = await drained(run);
  t.match(out, "odd.name=it's $HOME\n");
  t.match(out, 'PLAIN=x y\n');
});

t.test('who waits to become a program ends without a trace when it is not needed', async t => {
  const watch = createWatch({ availableBytes: () => Promise.resolve(Infinity), reserveBytes: 0 });
  const launcher = launcherIn(opened, watch, { directory: t.testdir({}) });
  t.ok(launcher.isWaiting);
  launcher.discard();
  t.notOk(launcher.isWaiting);
  await eventually(() => {
    assert.ok(!isAlive(launcher.shell.pid ?? 0));
    assert.ok(!launcher.confinement.group?.joins.some(existsSync));
  });
});

t.test('a program that is not there leaves no control group', async t => {
  const watch = createWatch({ availableBytes: () => Promise.resolve(Infinity), reserveBytes: 0 });
  const command = { file: '/nowhere/python', args: [], cwd: '/', env: {} };
  const signal = new AbortController().signal;
  const launcher = launcherIn(opened, watch, { directory: t.testdir({}) });
  await t.rejects(startProcess(command, { signal, graceMs: 0, marker: 'X=y', launcher }), {
    code: 'no-such-program',
  });
  await eventually(() => {
    assert.ok(!launcher.confinement.group?.joins.some(existsSync));
  });
});
