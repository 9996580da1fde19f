import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import t, { type Test } from 'tap';
import { openKeyDirectory, type KeyDirectory } from '../../lib/crypto/key-directory.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { eventually } from '../helpers/eventually.ts';

/** Keys of these tests are words. */
const read = (bytes: Buffer): string => {
  const text = bytes.toString().trim();
  if (!text.startsWith('key-')) throw new Error('it holds no key; expected key-…');
  return text;
};

const open = async (t: Test, directory: string) => {
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const keys = await openKeyDirectory({ directory, read, emit: bus.emit });
  t.teardown(keys.close);
  return { keys, events, told: () => events.map(one => [one.event, String(one.fields['change'] ?? '')]) };
};

const keyFor = (keys: KeyDirectory<string>, queue: string): string | undefined => {
  const file = keys.find(queue);
  return file?.type === 'key' ? file.key : file?.type;
};

/** Resolves when a queue's key is `key`; the changes are in effect within a second where the machine has time. */
const becomes = (keys: KeyDirectory<string>, queue: string, key: string | undefined) =>
  eventually(
    () => {
      assert.equal(keyFor(keys, queue), key);
    },
    { timeoutMs: 10_000, everyMs: 10 },
  );

t.test('the longest prefix of the queue name wins', async t => {
  const directory = t.testdir({ rmq_: 'key-1', rmq_a: 'key-2\n', rmq_ab: 'key-3', info: 'key-4', '.rmq_abc': 'key-5' });
  const { keys } = await open(t, directory);
  t.equal(keyFor(keys, 'rmq_'), 'key-1');
  t.equal(keyFor(keys, 'rmq_b'), 'key-1');
  t.equal(keyFor(keys, 'rmq_a'), 'key-2');
  t.equal(keyFor(keys, 'rmq_abc'), 'key-3');
  t.equal(keyFor(keys, 'rmq'), undefined);
  t.equal(keyFor(keys, 'info_queue'), undefined);
  t.equal(keyFor(keys, '.rmq_abc'), undefined);
  t.strictSame(
    keys.files.map(file => file.name),
    ['rmq_', 'rmq_a', 'rmq_ab'],
  );
});

t.test('a file that can not be used is named with what was expected, and no shorter one stands in for it', async t => {
  const directory = t.testdir({
    rmq_: 'key-1',
    rmq_a: 'secret words',
    rmq_b: '',
    rmq_c: {},
    rmq_d: 'x'.repeat(70_000),
  });
  symlinkSync('nowhere', join(directory, 'rmq_e'));
  symlinkSync('rmq_f', join(directory, 'rmq_f'));
  execFileSync('mkfifo', [join(directory, 'rmq_g')]);
  const { keys, events } = await open(t, directory);
  const faultOf = (queue: string) => {
    const file = keys.find(queue);
    return file?.type === 'fault' ? file.fault : file?.type;
  };
  t.equal(faultOf('rmq_a1'), `${directory}/rmq_a: it holds no key; expected key-…`);
  t.equal(faultOf('rmq_b'), `${directory}/rmq_b: it is empty`);
  t.equal(faultOf('rmq_c'), `${directory}/rmq_c: it is a directory`);
  t.match(faultOf('rmq_d'), /70000 bytes, more than any key/);
  t.match(faultOf('rmq_e'), /there is no such file/);
  t.match(faultOf('rmq_f'), /its links lead in a circle/);
  t.equal(faultOf('rmq_g'), `${directory}/rmq_g: it is not a regular file`);
  t.equal(faultOf('rmq_z'), 'key');
  t.equal(events.filter(one => one.event === 'key-unusable').length, 7);
  t.notMatch(JSON.stringify(events), 'secret words');
});

t.test('files come, change and go', async t => {
  const directory = t.testdir({ rmq_: 'key-1' });
  const { keys, told } = await open(t, directory);
  let changes = 0;
  keys.changed$.subscribe(() => {
    changes++;
  });
  writeFileSync(join(directory, 'rmq_a'), 'key-2');
  await becomes(keys, 'rmq_a', 'key-2');
  writeFileSync(join(directory, 'rmq_a'), 'key-3');
  await becomes(keys, 'rmq_a', 'key-3');
  writeFileSync(join(directory, 'other'), 'key-4');
  renameSync(join(directory, 'other'), join(directory, 'rmq_a'));
  await becomes(keys, 'rmq_a', 'key-4');
  unlinkSync(join(directory, 'rmq_a'));
  await becomes(keys, 'rmq_a', 'key-1');
  unlinkSync(join(directory, 'rmq_'));
  await becomes(keys, 'rmq_a', undefined);
  t.ok(changes >= 5);
  t.equal(told().filter(([, change]) => change === 'changed').length, 2);
  t.ok(told().filter(([, change]) => change === 'removed').length >= 2);
});

t.test('a look that finds a key gone or half written takes nothing away; the next one does', async t => {
  const directory = t.testdir({ rmq_: 'key-1', rmq_a: 'key-2' });
  const { keys, told } = await open(t, directory);
  unlinkSync(join(directory, 'rmq_'));
  writeFileSync(join(directory, 'rmq_a'), 'ke');
  await keys.look();
  t.equal(keyFor(keys, 'rmq_b'), 'key-1');
  t.equal(keyFor(keys, 'rmq_a'), 'key-2');
  writeFileSync(join(directory, 'rmq_'), 'key-1');
  writeFileSync(join(directory, 'rmq_a'), 'key-3');
  await keys.look();
  t.equal(keyFor(keys, 'rmq_b'), 'key-1');
  t.equal(keyFor(keys, 'rmq_a'), 'key-3');
  t.strictSame(told().slice(2), [['key-changed', 'changed']], 'what came back as it was is no change');
  writeFileSync(join(directory, 'rmq_a'), 'ke');
  await keys.look();
  await keys.look();
  t.equal(keyFor(keys, 'rmq_a'), 'fault');
  t.strictSame(told().slice(3), [['key-unusable', '']]);
});

/** What the kubelet does: a new directory, then `..data` is swapped by a rename. */
const mountSecret = (directory: string, version: string, files: Readonly<Record<string, string>>) => {
  mkdirSync(join(directory, version));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, version, name), text);
  symlinkSync(version, join(directory, '..data_tmp'));
  renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
};

t.test('a mounted Kubernetes secret is followed when its links are swapped', async t => {
  const directory = t.testdir({});
  mountSecret(directory, '..1', { rmq_: 'key-1', rmq_a: 'key-2' });
  for (const name of ['rmq_', 'rmq_a']) symlinkSync(join('..data', name), join(directory, name));
  const { keys, told } = await open(t, directory);
  t.equal(keyFor(keys, 'rmq_b'), 'key-1');
  mountSecret(directory, '..2', { rmq_: 'key-3', rmq_a: 'key-2' });
  rmSync(join(directory, '..1'), { recursive: true });
  await becomes(keys, 'rmq_b', 'key-3');
  t.equal(keyFor(keys, 'rmq_a'), 'key-2');
  mountSecret(directory, '..3', { rmq_: 'key-3' });
  rmSync(join(directory, '..2'), { recursive: true });
  unlinkSync(join(directory, 'rmq_a'));
  await becomes(keys, 'rmq_a', 'key-3');
  t.strictSame(
    told()
      .slice(2)
      .map(([, change]) => change),
    ['changed', 'removed'],
    'a file whose bytes are the same has not changed',
  );
});

t.test('a directory that is not there is empty, and is taken up when it comes', async t => {
  const directory = join(t.testdir({}), 'later/signing');
  const { keys } = await open(t, directory);
  t.strictSame([keys.files, keys.fault], [[], undefined]);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'rmq_'), 'key-1');
  await becomes(keys, 'rmq_x', 'key-1');
  rmSync(directory, { recursive: true });
  await becomes(keys, 'rmq_x', undefined);
});

/** A directory that is there and can't be listed, for root neither: its link leads to itself. Out: makes it as it was. */
const makeUnlistable = (directory: string) => {
  renameSync(directory, `${directory}.away`);
  symlinkSync(directory, directory);
  return () => {
    unlinkSync(directory);
    renameSync(`${directory}.away`, directory);
  };
};

t.test('while the directory can not be listed its keys stay, and what it says of other queues is unknown', async t => {
  const directory = join(t.testdir({ keys: { rmq_: 'key-1' } }), 'keys');
  const { keys, events, told } = await open(t, directory);
  let changes = 0;
  keys.changed$.subscribe(() => {
    changes++;
  });
  const restore = makeUnlistable(directory);
  for (let look = 0; look < 3; look++) await keys.look();
  t.equal(keyFor(keys, 'rmq_a'), 'key-1');
  t.match(keys.find('sqs_a'), { type: 'unlisted', fault: /keys: its links lead in a circle; expected a directory/ });
  t.match(events.slice(1), [{ event: 'key-unusable', fields: { file: directory, why: /^its links.*; expected/ } }]);
  t.equal(events.length, 2, 'it is told once');
  t.equal(changes, 1);
  restore();
  await keys.look();
  t.equal(keyFor(keys, 'rmq_a'), 'key-1');
  t.equal(keys.find('sqs_a'), undefined);
  t.equal(keys.fault, undefined);
  t.equal(changes, 2);
  t.strictSame(told().slice(2), [], 'no key has changed');
});

t.test('a directory that could never be listed is not an empty one', async t => {
  const directory = join(t.testdir({ keys: { rmq_: 'key-1' } }), 'keys');
  const restore = makeUnlistable(directory);
  const { keys } = await open(t, directory);
  t.match(keys.find('rmq_a'), { type: 'unlisted' });
  restore();
  await keys.look();
  t.equal(keyFor(keys, 'rmq_a'), 'key-1');
});

t.test('what is no directory is a fault', async t => {
  const path = join(t.testdir({ file: 'key-1' }), 'file');
  const { keys, events } = await open(t, path);
  t.match(keys.fault, /file: .*expected a directory/);
  t.match(events, [{ event: 'key-unusable', fields: { file: path } }]);
});
