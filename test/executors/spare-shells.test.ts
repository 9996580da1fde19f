import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import t, { type Test } from 'tap';
import { forksWith } from '../../lib/executors/fork-server.ts';
import type { GroupedShell } from '../../lib/executors/grouped-shell.ts';
import { chooseInterpreter, findInterpreters } from '../../lib/executors/interpreters.ts';
import type { Shell } from '../../lib/executors/shells.ts';
import { createSpareShells } from '../../lib/executors/spare-shells.ts';
import { noControlGroups, openControlGroups, type ControlGroups } from '../../lib/resources/cgroups/control-groups.ts';
import type { ControlGroup } from '../../lib/resources/cgroups/group.ts';
import { eventually } from '../helpers/eventually.ts';
import { withFewDescriptors } from '../helpers/no-descriptors.ts';

const python = forksWith(chooseInterpreter(await findInterpreters(), '3'));
assert.ok(python, 'a Python of version 3.8 or newer is needed');
const opened = await openControlGroups({ endLeftovers: false });
t.teardown(() => opened.close());

const scene = (t: Test, pythons: readonly (string | undefined)[], groups = noControlGroups) => {
  let asked = 0;
  const spares = createSpareShells({ now: Date.now, groups, python: async () => pythons[asked++] });
  const shells: Shell[] = [];
  const takeGrouped = (): GroupedShell => {
    const taken = spares.take();
    shells.push(taken.shell);
    return taken;
  };
  const take = () => takeGrouped().shell;
  t.teardown(() => {
    for (const { stdin } of shells) stdin.destroy();
  });
  return { spares, take, takeGrouped, asked: () => asked };
};
const end = async (shell: Shell) => {
  shell.stdin.end();
  await shell.ended;
};

t.test('shells stand by, started by the fork server', async t => {
  const { spares, take } = scene(t, [python]);
  const first = take();
  t.equal(first.parent, process.pid, 'none stood by');
  spares.refill();
  await eventually(async () => {
    const shell = take();
    spares.refill();
    await end(shell);
    assert.notEqual(shell.parent, process.pid);
  });
  await end(first);
});

t.test('a fork server that went is replaced, one that never started a shell is not', async t => {
  const { spares, take, asked } = scene(t, [python, '/bin/true', python]);
  const fromServer = async () => {
    const shell = take();
    spares.refill();
    await end(shell);
    return shell.parent;
  };
  let parent = process.pid;
  await eventually(async () => assert.notEqual((parent = await fromServer()), process.pid));
  process.kill(parent, 'SIGKILL');
  await eventually(async () => {
    await fromServer();
    assert.equal(asked(), 2);
  });
  await eventually(async () => assert.equal(await fromServer(), process.pid));
  for (let n = 0; n < 5; n++) t.equal(await fromServer(), process.pid);
  t.equal(asked(), 2);
});

t.test('without a Python this process starts the shells', async t => {
  const { spares, take, asked } = scene(t, [undefined]);
  for (let n = 0; n < 3; n++) {
    spares.refill();
    await new Promise(resolve => setTimeout(resolve, 20));
    const shell = take();
    t.equal(shell.parent, process.pid);
    await end(shell);
  }
  t.equal(asked(), 1);
});

t.test('without descriptors none is started, and the next one is when there are some', t => {
  const lib = { 'executors/spare-shells.ts': 'createSpareShells' };
  const told = withFewDescriptors(
    lib,
    `
    const groups = { create: () => undefined };
    let asked = 0;
    const python = async () => (asked++, ${JSON.stringify(python)});
    const spares = createSpareShells({ now: Date.now, groups, python });
    const turn = () => new Promise(resolve => setTimeout(resolve, 10));
    exhaust();
    const code = await codeOf(() => spares.take());
    spares.refill();
    while (asked === 0) await turn();
    await turn();
    free();
    let parent = process.pid;
    while (parent === process.pid) {
      spares.refill();
      await turn();
      const { shell } = spares.take();
      parent = shell.parent;
      shell.stdin.end();
      await shell.ended;
    }
    console.log(JSON.stringify({ code, asked }));
    process.exit();`,
  );
  t.match(told, { code: 'EMFILE', asked: 2 }, 'a fork server is tried again as well');
  t.end();
});

const inGroups = opened.enforced.members ? {} : { skip: 'this machine lets nobody make control groups' };

t.test('what stands by has joined a group of its own, which goes when it dies', inGroups, async t => {
  const made: (ControlGroup | undefined)[] = [];
  const groups: ControlGroups = {
    ...opened,
    create: () => {
      const group = opened.create();
      made.push(group);
      return group;
    },
  };
  const { spares, takeGrouped } = scene(t, [undefined], groups);
  const joined = (): Promise<number> =>
    eventually(() => {
      spares.refill();
      const [pid] = made.at(-1)?.members() ?? [];
      assert.ok(pid);
      return pid;
    });
  const pid = await joined();
  const { shell, group } = takeGrouped();
  t.equal(shell.pid, pid);
  t.equal(group, made[0]);
  t.equal(made.length, 1);
  process.kill(await joined(), 'SIGKILL');
  await eventually(() => {
    spares.refill();
    assert.ok(!made[1]?.joins.some(existsSync));
  });
  t.ok(group?.joins.every(existsSync), 'nobody else lost theirs');
  await end(shell);
  t.ok(group?.remove());
});
