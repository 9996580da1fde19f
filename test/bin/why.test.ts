import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import t from 'tap';
import { PipelineScene, sceneQueue } from '../helpers/pipeline-scene.ts';
import { runCommand } from '../helpers/run-command.ts';

const httpOf = async (scene: PipelineScene): Promise<string> =>
  `http://${String((await scene.event(one => one.event === 'http-listening'))['address'])}`;

t.test('why tells what a queue waits for, with the numbers', async t => {
  const scene = new PipelineScene(t, { STATUS_TOKEN: 'a-long-token', MAX_CORES: '2' });
  const url = await httpOf(scene);
  const env = { STATUS_TOKEN: 'a-long-token' };
  const why = (...words: string[]) => runCommand(['why', sceneQueue, '--runner', url, ...words], env);
  await scene.runGood();
  t.match(await why(), {
    code: 0,
    stdout: new RegExp(`^${sceneQueue} \\(directory\\): waits for a message\\n  it asked for 1 core,`),
  });

  const running = await scene.submit({ program: 'import time\ntime.sleep(600)\n' });
  await scene.event(one => one.event === 'started' && one.experiment === running);
  const large = await scene.submit({ resources: { cpus: 2, ram: '1mb' } });
  await scene.event(one => one.event === 'settled' && one.experiment === large && one['cause'] === 'no-room');
  t.match(await why(), { code: 0, stdout: /a message was given back; it is left alone for|waits for room/ });
  const { stdout } = await why('--json');
  t.match(JSON.parse(stdout), [
    {
      name: sceneQueue,
      kind: 'directory',
      asked: { cores: 2 },
      running: 1,
      free: { cores: 1 },
      total: { cores: 2 },
      lacking: [{ resource: 'cores', asked: 2, available: 1 }],
    },
  ]);

  t.match(await runCommand(['why', 'local_other', '--runner', url], env), {
    code: 1,
    stderr: /knows no such queue.*local_other/,
  });
  const cancelled = await runCommand(['cancel', 'none', '--runner', url, '--json'], env);
  t.match(cancelled, { code: 1, stdout: '', stderr: /^runner: no such experiment runs here.*\n$/ });
  t.match(await runCommand(['why', sceneQueue, '--runner', url]), { code: 1, stderr: /expected the bearer token/ });
});

t.test('a queue that can not be served says why', async t => {
  const scene = new PipelineScene(t, { CLEAR_TEXT_MESSAGES: 'false' });
  const url = await httpOf(scene);
  await scene.event(one => one.event === 'queue-ignored');
  t.match(await runCommand(['why', sceneQueue, '--runner', url]), {
    code: 0,
    stdout: /is not served: CLEAR_TEXT_MESSAGES is false/,
  });
});

t.test('what can not be asked is said in one line', async t => {
  t.match(await runCommand(['why']), { code: 2, stderr: /why: found 0 names, expected the name of one queue/ });
  t.match(await runCommand(['why', 'a', '--runner', 'here']), {
    code: 2,
    stderr: /--runner: found "here", expected a URL/,
  });
  t.match(await runCommand(['why', 'a', '--runner', 'http://127.0.0.1:1']), {
    code: 1,
    stderr: /^runner: no runner answers \[url=http:\/\/127\.0\.0\.1:1\].*\n$/,
  });
});

t.test('a busy port that was set by hand refuses the start', async t => {
  const busy = createServer().listen(0, '127.0.0.1');
  await once(busy, 'listening');
  t.teardown(() => busy.close());
  const { port } = busy.address() as AddressInfo;
  const root = t.testdir({ queues: {}, work: {} });
  const env = { QUEUE_ROOT: `${root}/queues`, WORKING_DIR: `${root}/work`, CLEAR_TEXT_MESSAGES: 'true' };
  t.match(await runCommand([], { ...env, PROM_ADDRESS: `127.0.0.1:${String(port)}` }), {
    code: 2,
    stderr: /--prom-address \(PROM_ADDRESS\): can not listen at .*EADDRINUSE/,
  });
  t.match(await runCommand([], { ...env, PROM_ADDRESS: 'here' }), {
    code: 2,
    stderr: /found "here", expected HOST:PORT or :PORT/,
  });
});
