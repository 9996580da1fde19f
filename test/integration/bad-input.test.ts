/** Messages, stores and archives that are not as they should be, through the whole runner: each gets its end and the runner goes on. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { eventually } from '../helpers/eventually.ts';
import { PipelineScene } from '../helpers/pipeline-scene.ts';
import { tarOf, type TarMember } from '../helpers/tars.ts';

const mib = 1024 * 1024;

/** What holds after every bad message: the next one runs, nothing of the bad one is left. */
const goesOn = async (t: Test, scene: PipelineScene) => {
  t.match(await scene.runGood(), { cause: 'completed', output: /it ran/ }, 'the next message runs to its end');
  t.strictSame(scene.waiting(), []);
  await eventually(() => {
    assert.deepEqual(scene.leftovers(), [], 'neither directory nor process is left');
  });
  t.equal(await scene.runner.stop(), 0);
  t.strictSame(
    scene.runner.events.filter(({ level }) => level === 'error'),
    [],
  );
};

/** A message that never becomes a request is a dead letter, as it was sent. */
const refused = (title: string, bodyOf: (whole: string) => string | Buffer, reason: string, words: RegExp) => {
  t.test(title, async t => {
    const scene = new PipelineScene(t);
    const { body: whole } = await scene.request({});
    const body = bodyOf(whole);
    const name = scene.send(body);
    const settled = scene.settled(undefined);
    const peakBytes = await scene.peakBytes(settled);
    t.match(await settled, { settlement: 'reject', cause: reason, message: words });
    const letters = scene.deadLetters();
    t.match(letters, [{ name, reason, message: words }]);
    t.ok(letters[0]?.body.equals(Buffer.from(body)), 'the message itself is kept');
    t.ok(peakBytes < 300 * mib, `memory stays bounded (${String(Math.round(peakBytes / mib))} MiB)`);
    await goesOn(t, scene);
  });
};

refused('what is not JSON is refused', () => 'hello, runner', 'malformed', /not JSON.*expected|not JSON/);
refused('JSON that is no request is refused', () => '{"answer": 42}', 'not-a-request', /experiment/);
refused('half a message is refused', whole => whole.slice(0, whole.length / 2), 'malformed', /ends early/);
refused(
  'a message of 50 MB is refused unread',
  whole => Buffer.concat([Buffer.from(whole.slice(0, -1)), Buffer.alloc(50 * mib, ' '), Buffer.from('}')]),
  'too-large',
  /larger than any request/,
);

t.test('a workspace that is not in the store ends the experiment, and the reason is stored', async t => {
  const scene = new PipelineScene(t);
  const key = await scene.submit({ workspaceKey: 'workspaces/nowhere.tar' });
  const words = /stage in failed: .*no such.*workspaces\/nowhere\.tar/;
  t.match(await scene.settled(key), { settlement: 'reject', cause: 'artifact-missing', message: words });
  t.match(scene.deadLetters(), [{ reason: 'artifact-missing', message: words }]);
  t.match((await scene.output(key)).toString(), words);
  t.match(await scene.metadata(key), { studioml: { status: 'failed' } });
  await goesOn(t, scene);
});

const invalidArchive = (title: string, workspaceOf: (outside: string) => Buffer | TarMember[], words: RegExp) => {
  t.test(title, async t => {
    const scene = new PipelineScene(t);
    const outside = join(tmpdir(), `evil-${randomUUID()}`);
    t.teardown(() => rm(outside, { force: true }));
    const workspace = workspaceOf(outside);
    const key = await scene.submit({ workspace });
    t.match(await scene.settled(key), { settlement: 'reject', cause: 'artifact-invalid', message: words });
    t.match(scene.deadLetters(), [{ reason: 'artifact-invalid', message: words }]);
    t.match((await scene.output(key)).toString(), words);
    t.match(await scene.metadata(key), { studioml: { status: 'failed' } });
    t.notOk(existsSync(outside), 'nothing was written outside');
    await goesOn(t, scene);
  });
};

const main = { name: 'main.py', content: "print('it ran')\n" };
invalidArchive(
  'a workspace with a way up in a name is refused',
  () => [main, { name: '../evil', content: 'x' }],
  /\.\.\/evil/,
);
invalidArchive(
  'a workspace with an absolute name is refused',
  outside => [main, { name: outside, content: 'x' }],
  /its name is absolute.*\/evil-/,
);
invalidArchive(
  'a workspace with a link that leads out is refused',
  outside => [
    main,
    { name: 'out', type: 'symlink', linkname: dirname(outside) },
    { name: `out/${basename(outside)}`, content: 'x' },
  ],
  /\bout\b/,
);
invalidArchive(
  'a workspace with a device is refused',
  () => [main, { name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }],
  /null/,
);

const whole = await tarOf({ ...main, content: Buffer.alloc(64 * 1024, '#') });
invalidArchive('a workspace whose archive is cut off is refused', () => whole.subarray(0, 20_000), /ends? early|cut/);

t.test('a program that is not in the workspace ends the experiment with its name', async t => {
  const scene = new PipelineScene(t);
  const key = await scene.submit({ filename: 'nowhere.py' });
  t.match(await scene.settled(key), { settlement: 'reject', cause: 'no-such-program', message: /nowhere\.py/ });
  t.match(scene.deadLetters(), [{ reason: 'no-such-program' }]);
  t.match((await scene.output(key)).toString(), /nowhere\.py/);
  await goesOn(t, scene);
});

t.test('a Python that nobody has is left to other runners, ever later', async t => {
  const scene = new PipelineScene(t);
  const key = await scene.submit({ pythonVersion: '9.9' });
  const releases = (await scene.runner.next(({ event }) => event === 'settled', 2)).filter(
    event => event.experiment === key,
  );
  t.equal(releases.length, 2);
  for (const release of releases) {
    t.match(release, { settlement: 'release', cause: 'no-interpreter', message: /9\.9.*3\.\d+\.\d+/ });
  }
  const [first = 0, second = 0] = releases.map(({ delayMs }) => delayMs as number);
  t.ok(first > 0 && second > first, `the delay grows (${String(first)}, ${String(second)} ms)`);
  t.strictSame(scene.deadLetters(), []);
  t.match(await scene.runGood(), { cause: 'completed' });
  await scene.runner.stop();
  t.equal(scene.waiting().length, 1, 'the message waits in its queue for somebody else');
  t.strictSame(scene.leftovers(), []);
});

t.test('a requirement that does not exist ends the experiment in the words of the installer', async t => {
  const scene = new PipelineScene(t);
  const key = await scene.submit({ requirements: ['studioml-runner-no-such-requirement==9.9'] });
  const words = /no-such-requirement/;
  t.match(await scene.settled(key), { settlement: 'reject', cause: 'environment', message: words });
  t.match(scene.deadLetters(), [{ reason: 'environment', message: words }]);
  t.match((await scene.output(key)).toString(), /no-such-requirement[^]*(not found|No matching distribution)/i);
  await goesOn(t, scene);
});
