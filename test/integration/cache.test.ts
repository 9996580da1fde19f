import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { eventually } from '../helpers/eventually.ts';
import { PipelineScene } from '../helpers/pipeline-scene.ts';
import type { EventLine, RunnerProcess } from '../helpers/runner-process.ts';
import { tarOf } from '../helpers/tars.ts';

/** More than what is copied because it is small. */
const data = Buffer.alloc(6 * 1024 * 1024, 'pristine');
const expected = `read ${createHash('sha256').update(data).digest('hex')}\n`;
const program = `import hashlib, os, sys, time
print('read', hashlib.sha256(open('data', 'rb').read()).hexdigest(), flush=True)
os.chmod('data', 0o777)
open('data', 'r+b').write(b'broken')
os.truncate('data', 100)
open('more', 'w').write('x')
time.sleep(float(sys.argv[1]))
`;

/** Mounts of runners below the directory of this test. */
const mounts = (directory: string): number =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter(line => line.includes(' overlay studioml-runner-') && line.includes(directory)).length;

t.test(
  'experiments that break their input, and a runner that is killed among them, leave the cache as it was',
  async t => {
    const cache = mkdtempSync(join(tmpdir(), 'studioml-cache-'));
    t.teardown(() => rmSync(cache, { recursive: true, force: true }));
    const options = {
      CACHE_DIR: join(cache, 'made'),
      CACHE_SIZE: '1gb',
      CACHE_CREATE: 'true',
      DEBUG: 'true',
      LEASE: '10s',
    };
    // DEBUG shows the events of the cache, and keeps directories: then inputs are copied. The second runner mounts them.
    const scene = new PipelineScene(t, options);
    const shared = await tarOf({ name: 'main.py', content: program }, { name: 'data', content: data });
    await scene.store.objects.put('shared.tar', shared);
    const submit = (seconds: number) => scene.submit({ workspaceKey: 'shared.tar', args: [String(seconds)] });
    const of = (name: string, key: string) => (one: EventLine) => one.event === name && one.experiment === key;

    const told: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      const key = await submit(0);
      await scene.settled(key);
      t.ok((await scene.output(key)).toString().startsWith(expected));
      told.push((await scene.event(of(i === 0 ? 'cache-miss' : 'cache-hit', key)))['artifact']);
    }
    t.same(told, ['workspace', 'workspace']);
    await scene.runner.stop();

    const next = (env: Readonly<Record<string, string>>): RunnerProcess => scene.restarted(t, env);
    const killed = next({ DEBUG: 'false' });
    const key = await submit(600);
    await killed.next(of('started', key));
    killed.signal('SIGKILL');
    await killed.exited();
    const isMounted = !killed.events.some(({ event }) => event === 'cache-copies');
    t.equal(mounts(t.testdirName), isMounted ? 1 : 0);

    const last = next({ DEBUG: 'false' });
    const settled = last.next(({ event, experiment }) => event === 'settled' && experiment !== key, 1);
    const after = await submit(0);
    await settled;
    t.ok((await scene.output(after)).toString().startsWith(expected));
    await last.stop();
    await eventually(() => assert.equal(mounts(t.testdirName), 0));
  },
);

t.test('a cache directory that is not there refuses the start, unless it may be made', async t => {
  const scene = new PipelineScene(t, { CACHE_DIR: '/nowhere/cache', CACHE_SIZE: '1gb' });
  t.equal(await scene.runner.exited(), 2);
  t.match(
    scene.runner.errors,
    /CACHE_DIR\): \/nowhere\/cache is not there; expected a directory, or CACHE_CREATE=true/,
  );
});
