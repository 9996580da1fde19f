import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { openControlGroups, shortcomings } from '../../../lib/resources/cgroups/control-groups.ts';
import { eventually } from '../../helpers/eventually.ts';
import { isAlive } from '../../helpers/process-life.ts';

const here = await openControlGroups({ endLeftovers: false });
t.teardown(() => here.close());
const options = here.enforced.members ? {} : { skip: 'this machine lets nobody make control groups' };

const module = new URL('../../../lib/resources/cgroups/control-groups.ts', import.meta.url).href;

/** A runner that starts one program in a group of its own. Out: both process ids, and where the program joined. */
const runnerWithChild = async (t: Test) => {
  const program = `
    import { spawn } from 'node:child_process';
    import { openControlGroups } from ${JSON.stringify(module)};
    const groups = await openControlGroups({ endLeftovers: false });
    const { joins } = groups.create();
    const script = 'for file; do echo 0 > "$file"; done; exec sleep 600';
    const child = spawn('/bin/sh', ['-c', script, 'sh', ...joins], { detached: true, stdio: 'ignore', env: {} });
    console.log(JSON.stringify({ pid: child.pid, joins }));
    setInterval(() => undefined, 1000);`;
  const runner = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => runner.kill('SIGKILL'));
  const [line] = (await once(runner.stdout, 'data')) as [Buffer];
  return { runner, ...(JSON.parse(line.toString()) as { pid: number; joins: string[] }) };
};

t.test('what a runner left that was killed is ended by the next one, and nothing else', options, async t => {
  const living = await runnerWithChild(t);
  const dead = await runnerWithChild(t);
  dead.runner.kill('SIGKILL');
  await once(dead.runner, 'exit');
  t.ok(isAlive(dead.pid), 'it survives its runner');

  const next = await openControlGroups();
  t.ok(next.endedLeftovers >= 1);
  await eventually(() => {
    assert.ok(!isAlive(dead.pid));
  });
  t.notOk(dead.joins.some(existsSync), 'its groups are gone');
  t.ok(isAlive(living.pid), 'a runner that lives keeps its own');
  t.ok(living.joins.every(existsSync));
  await next.close();

  living.runner.kill('SIGKILL');
  await once(living.runner, 'exit');
  const last = await openControlGroups();
  t.notOk(living.joins.some(existsSync));
  await last.close();
});

t.test(
  'a runner that is started where the one before it moved works beside that, and ends only experiments',
  options,
  async t => {
    const dead = await runnerWithChild(t);
    dead.runner.kill('SIGKILL');
    await once(dead.runner, 'exit');
    const groups = dead.joins.map(file => dirname(dirname(file)));
    const leaves = groups.map(group => `${group}.itself`);
    for (const leaf of leaves) mkdirSync(leaf);
    const program = `
    import { openControlGroups } from ${JSON.stringify(module)};
    const groups = await openControlGroups();
    console.log(JSON.stringify(groups.create().joins));
    await groups.close();`;
    const script = 'for leaf; do echo 0 > "$leaf/cgroup.procs"; done; exec "$0" --input-type=module -e "$PROGRAM"';
    const next = spawn('/bin/sh', ['-c', script, process.execPath, ...leaves], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PROGRAM: program },
    });
    const ended = once(next, 'exit');
    const joins = JSON.parse(await text(next.stdout)) as string[];
    t.strictSame(await ended, [0, null], 'it did not end itself');
    t.strictSame(
      joins.map(file => dirname(dirname(dirname(file)))),
      groups.map(group => dirname(group)),
    );
    t.notOk(isAlive(dead.pid));
    await (await openControlGroups()).close();
    t.notOk(leaves.some(existsSync), 'where nobody is left it goes');
  },
);

t.test('what stands by in a group ends when the runner lets go of it', options, async t => {
  const groups = await openControlGroups({ endLeftovers: false });
  const joins = groups.create()?.joins ?? [];
  const script = 'for file; do echo 0 > "$file"; done; exec sleep 600';
  const child = spawn('/bin/sh', ['-c', script, 'sh', ...joins], { stdio: 'ignore', env: {} });
  const ended = once(child, 'exit');
  await eventually(() => {
    assert.ok(joins.every(file => readFileSync(file, 'utf8') === `${String(child.pid)}\n`));
  });
  await groups.close();
  t.strictSame(await ended, [null, 'SIGKILL']);
  t.notOk(joins.some(existsSync));
});

t.test('what is not left to the kernel is said', t => {
  t.equal(shortcomings({ enforced: { memory: 1, processes: 2 } }), undefined);
  t.match(shortcomings({ enforced: { processes: 1 } }), /memory is watched$/);
  t.match(shortcomings({ enforced: {} }), /memory is watched, the number of processes has no limit/);
  t.end();
});
