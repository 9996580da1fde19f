/** Experiments as another user than the runner, who is root. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import t from 'tap';
import { PipelineScene } from '../helpers/pipeline-scene.ts';
import { printedIn } from '../helpers/printed.ts';
import { runCommand } from '../helpers/run-command.ts';

const isRoot = process.getuid?.() === 0;

t.test('an experiment runs as EXPERIMENT_USER, and reaches what is its own only', { timeout: 120_000 }, async t => {
  if (!isRoot) {
    t.plan(0, 'only root can run experiments as another user');
    return;
  }
  // The directories of tests may lie in one that others can't enter.
  const workingDir = mkdtempSync(`${tmpdir()}/runner-user-`);
  chmodSync(workingDir, 0o755);
  t.teardown(() => {
    rmSync(workingDir, { recursive: true, force: true });
  });
  const it = new PipelineScene(t, {
    EXPERIMENT_USER: '65534:65534',
    WORKING_DIR: workingDir,
    PATH: '/usr/local/bin:/usr/bin:/bin',
  });
  const program = `import os, tempfile
print(os.getuid(), os.getgid(), os.getgroups())
open("made", "w").close()
open("../modeldir/model", "w").close()
print(os.access(os.path.expanduser("~"), os.W_OK), os.path.exists(tempfile.mkdtemp()))
for path in ["../output/other", "../_metadata/other", "../other", "/root/other"]:
    try:
        open(path, "w").close()
        print("wrote", path)
    except OSError as error:
        print(type(error).__name__)
try:
    os.setuid(0)
except PermissionError:
    print("no way back")`;
  const key = await it.submit({ program });
  t.match(await it.settled(key), { cause: 'completed' });
  const lines = printedIn((await it.output(key)).toString())
    .trim()
    .split('\n');
  t.strictSame(lines, ['65534 65534 []', 'True True', ...Array<string>(4).fill('PermissionError'), 'no way back']);
});

t.test('a user that is not there refuses the start', { timeout: 120_000 }, async t => {
  const env = { EXPERIMENT_USER: 'no-such-user', QUEUE_ROOT: t.testdir(), WORKING_DIR: t.testdirName };
  const { code, stderr } = await runCommand([], env);
  t.equal(code, 2);
  t.match(stderr, isRoot ? /EXPERIMENT_USER.*there is no such user/ : /has to be root/);
});
