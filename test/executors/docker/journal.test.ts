import { spawnSync } from 'node:child_process';
import { statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mock } from 'node:test';
import t from 'tap';
import { createContainerJournal } from '../../../lib/executors/docker/journal.ts';
import { ownProcess, silentMs } from '../../../lib/resources/process-identity.ts';

t.test('what a dead runner left is abandoned, what a live one has is not', t => {
  const directory = t.testdir();
  const journal = createContainerJournal(directory);
  journal.add('own');
  const [host = '', space = ''] = ownProcess.split('~');
  const { pid } = spawnSync('true');
  writeFileSync(join(directory, 'dead'), `${host}~${space}~${String(pid)}~1`);
  t.strictSame(journal.abandoned(), ['dead']);
  journal.delete('own');
  journal.delete('dead');
  t.strictSame(journal.abandoned(), []);
  t.end();
});

t.test('a runner that can not be seen lives as long as it says so', t => {
  const directory = t.testdir();
  const journal = createContainerJournal(directory);
  for (const name of ['beats', 'silent']) writeFileSync(join(directory, name), 'other-host~1~1~1');
  const then = new Date(Date.now() - silentMs - 1000);
  utimesSync(join(directory, 'silent'), then, then);
  t.strictSame(journal.abandoned(), ['silent']);
  t.end();
});

t.test('it says that it lives as long as it has containers', t => {
  const directory = t.testdir();
  mock.timers.enable({ apis: ['setInterval'] });
  t.teardown(() => {
    mock.timers.reset();
  });
  const journal = createContainerJournal(directory);
  const then = new Date(0);
  const beats = (name: string) => {
    utimesSync(join(directory, name), then, then);
    mock.timers.tick(silentMs / 2);
    return statSync(join(directory, name)).mtimeMs > 0;
  };
  for (const name of ['a', 'b']) journal.add(name);
  journal.delete('a');
  t.ok(beats('b'));
  journal.delete('b');
  writeFileSync(join(directory, 'b'), 'of another');
  t.notOk(beats('b'));
  t.end();
});

t.test('one entry that vanishes does not hide the others', t => {
  const directory = t.testdir();
  const journal = createContainerJournal(directory);
  writeFileSync(join(directory, 'dead'), '');
  symlinkSync('nowhere', join(directory, 'gone'));
  const then = new Date(0);
  utimesSync(join(directory, 'dead'), then, then);
  t.strictSame(journal.abandoned(), ['dead']);
  t.end();
});
