import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createDirectoryReporter } from '../../lib/queues/directory/reporter.ts';
import { eventually } from '../helpers/eventually.ts';

const never = new AbortController().signal;
const open = (t: Test) => {
  const root = t.testdir({ local_q: {} });
  const directory = join(root, 'local_q_response');
  const reporter = createDirectoryReporter({ root, name: 'local_q', emit: () => undefined, now: Date.now });
  return { root, directory, reporter };
};

t.test('a report is a file of the response directory, which is never made', async t => {
  const { root, directory, reporter } = open(t);
  t.equal(await reporter.publish('unheard', never), false);
  t.same(readdirSync(root), ['local_q']);
  mkdirSync(directory);
  t.equal(await reporter.publish('heard', never), true);
  const files = readdirSync(directory);
  t.equal(files.length, 1);
  t.equal(readFileSync(join(directory, files[0] ?? ''), 'utf8'), 'heard');
});

t.test('nothing appears while a client holds its lock, and giving up leaves nothing', async t => {
  const { directory, reporter } = open(t);
  mkdirSync(directory);
  const lock = join(directory, 'lock.lock');
  writeFileSync(lock, '');
  const visible = () => readdirSync(directory).filter(name => !name.startsWith('.'));
  const controller = new AbortController();
  const given = reporter.publish('given up', controller.signal);
  const published = reporter.publish('heard', never);
  await eventually(() => {
    assert.equal(readdirSync(directory).length, 3, 'two drafts beside the lock');
  });
  t.same(visible(), ['lock.lock']);
  controller.abort(new Error('given up'));
  await t.rejects(given, { message: 'given up' });
  rmSync(lock);
  t.equal(await published, true);
  t.equal(readdirSync(directory).length, 1);
});

t.test('a directory that nobody reads does not fill without end', async t => {
  const { directory, reporter } = open(t);
  mkdirSync(directory);
  for (let at = 0; at < 10_000; at++) writeFileSync(join(directory, String(at)), '');
  await t.rejects(reporter.publish('too many', never), { message: /nobody reads .*: 10000 files wait in it/ });
  t.equal(readdirSync(directory).length, 10_000);
});
