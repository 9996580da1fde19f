import assert from 'node:assert';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { eventually } from '../helpers/eventually.ts';
import { freePort } from '../helpers/free-port.ts';
import { PipelineScene, sceneQueue } from '../helpers/pipeline-scene.ts';
import { runCommand, startCommand } from '../helpers/run-command.ts';
import { needService } from '../helpers/services.ts';

const urlOf = async (scene: PipelineScene): Promise<string> =>
  `http://${String((await scene.event(one => one.event === 'http-listening'))['address'])}`;

/** Exit code and output of promtool with this text on stdin. */
const promtool = (program: string, args: readonly string[], input: string): Promise<{ code: unknown; said: string }> =>
  new Promise(resolve => {
    const child = execFile(program, [...args], (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, said: stdout + stderr });
    });
    child.stdin?.end(input);
  });

/** A real Prometheus that scrapes one address; gives its API. */
const startPrometheus = async (t: Test, program: string, target: string) => {
  const directory = t.testdir({
    'prometheus.yml': `global: {scrape_interval: 1s}\nscrape_configs: [{job_name: runner, static_configs: [{targets: ['${target}']}]}]\n`,
    data: {},
  });
  const port = await freePort();
  const child = spawn(
    program,
    [
      `--config.file=${join(directory, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${String(port)}`,
    ],
    { stdio: 'ignore' },
  );
  t.teardown(async () => {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
  });
  return async (expr: string) => {
    const query = new URLSearchParams({ query: expr });
    const reply = await fetch(`http://127.0.0.1:${String(port)}/api/v1/query?${query.toString()}`);
    return (await reply.json()) as { status: string; error?: string; data: { result: { value: [number, string] }[] } };
  };
};

t.test('a real Prometheus scrapes what promtool finds well-formed, and answers the dashboard', async t => {
  const prometheus = needService(t, 'TEST_PROMETHEUS');
  const tool = prometheus && needService(t, 'TEST_PROMTOOL');
  if (prometheus === undefined || tool === undefined) return;
  const scene = new PipelineScene(t);
  const url = await urlOf(scene);
  await scene.runGood();
  const failed = await scene.submit({ program: 'raise SystemExit(3)\n' });
  await scene.settled(failed);

  const metrics = await (await fetch(`${url}/metrics`)).text();
  t.same(await promtool(tool, ['check', 'metrics'], metrics), { code: 0, said: '' });

  const query = await startPrometheus(t, prometheus, new URL(url).host);
  const value = async (expr: string): Promise<number> => {
    const { status, error, data } = await query(expr);
    assert.equal(status, 'success', error);
    assert.notEqual(data.result[0], undefined, expr);
    return Number(data.result[0]?.value[1]);
  };
  const asked = `{queue_type="local",queue_name="${sceneQueue}"}`;
  await eventually(async () => assert.equal(await value(`sum(runner_attempts_total${asked})`), 2), {
    timeoutMs: 60_000,
  });
  t.equal(await value(`sum(runner_project_completed{queue_name="${sceneQueue}"})`), 2, "by the Go runner's name");
  t.equal(await value('runner_ready'), 1);
  t.equal(await value('runner_cores_free == bool runner_cores_capacity'), 1);
  t.ok((await value('histogram_quantile(0.5, sum by (le) (runner_stage_duration_seconds_bucket{stage="run"}))')) > 0);
  t.ok((await value('runner_staged_in_bytes_total')) > 0);

  const dashboard = readFileSync(new URL('../../deploy/grafana-dashboard.json', import.meta.url), 'utf8');
  const { panels } = JSON.parse(dashboard) as { panels: { targets: { expr: string }[] }[] };
  for (const { expr } of panels.flatMap(({ targets }) => targets)) {
    const { status, error } = await query(expr.replaceAll('$__rate_interval', '1m'));
    t.equal(status, 'success', `${expr}: ${error ?? ''}`);
  }
});

t.test('health, scale, tail and cancel of a running runner', async t => {
  const scene = new PipelineScene(t, { STATUS_TOKEN: 'a-long-token', MAX_CORES: '1' });
  const url = await urlOf(scene);
  const ask = async (path: string) => {
    const reply = await fetch(url + path);
    return { status: reply.status, text: await reply.text() };
  };
  t.match(await ask('/healthz'), { status: 200 });
  await eventually(async () => assert.deepEqual(await ask('/readyz'), { status: 200, text: 'ready\n' }));
  t.match(await ask('/tail/x'), { status: 401 }, 'what belongs to somebody is not told to everybody');

  const running = await scene.submit({
    program: "import sys, time\nprint('a first line', flush=True)\ntime.sleep(600)\n",
  });
  await scene.event(one => one.event === 'started' && one.experiment === running);
  await scene.submit({});
  await scene.submit({});
  await eventually(async () => {
    const { text } = await ask('/scale');
    assert.deepEqual(JSON.parse(text), {
      waiting: 2,
      leased: 1,
      running: 1,
      total: 3,
      queues: [{ kind: 'directory', name: sceneQueue, waiting: 2, leased: 1, running: 1, total: 3 }],
    });
  });
  t.match(JSON.parse((await ask(`/scale/${sceneQueue}`)).text), { total: 3 });
  t.match(await ask('/scale/local_other'), { status: 404 });
  // KEDA takes what its trigger names, of the answer at the URL that it names.
  const trigger = readFileSync(new URL('../../deploy/chart/templates/scaled-object.yaml', import.meta.url), 'utf8');
  const [, path = '', member = ''] = /url: .+:9090(\/\S+)[^]*?valueLocation: (\w+)/.exec(trigger) ?? [];
  t.equal((JSON.parse((await ask(path)).text) as Record<string, unknown>)[member], 3);

  const env = { STATUS_TOKEN: 'a-long-token' };
  const tail = startCommand(['tail', running, '--runner', url], env);
  await eventually(() => assert.match(tail.stdout(), /^a first line\n/));
  t.match(await runCommand(['cancel', running, '--runner', url], env), { code: 0, stdout: /it is being stopped/ });
  t.match(await scene.settled(running), { cause: 'cancelled', settlement: 'accept' });
  t.match(await tail.ended, { code: 0, stdout: /^a first line\n[^]*runner: / });
  t.match(await runCommand(['tail', running, '--runner', url], env), {
    code: 1,
    stderr: /^runner: no such experiment runs here.*\n$/,
  });
  t.equal(await scene.runner.stop(), 0);
});

t.test('a runner whose queue lacks a key is not ready, and says which', async t => {
  const scene = new PipelineScene(t, { CLEAR_TEXT_MESSAGES: 'false' });
  const url = await urlOf(scene);
  await scene.event(one => one.event === 'queue-ignored');
  const reply = await fetch(`${url}/readyz`);
  t.equal(reply.status, 503);
  t.match(await reply.text(), new RegExp(`CLEAR_TEXT_MESSAGES is false.*queue=${sceneQueue}`));
});

t.test('without a token only this machine may look at what belongs to somebody', async t => {
  const scene = new PipelineScene(t);
  const url = await urlOf(scene);
  await scene.event(one => one.event === 'queue-found');
  t.equal((await fetch(`${url}/tail/none`)).status, 404);
  t.equal((await fetch(`${url}/tail/none`, { headers: { origin: 'http://a.page' } })).status, 403);
});

t.test('a broker that is lost makes a runner not ready', async t => {
  const port = await freePort();
  const scene = new PipelineScene(t, {
    AMQP_URL: `amqp://127.0.0.1:${String(port)}`,
    AMQP_MGT_URL: `http://127.0.0.1:${String(port)}`,
  });
  const url = await urlOf(scene);
  await scene.event(one => one.event === 'broker-lost');
  const reply = await fetch(`${url}/readyz`);
  t.equal(reply.status, 503);
  t.match(await reply.text(), /the broker is lost \[broker=/);
});

t.test('LIMIT_TASKS: as many experiments as that, then the end; Slack hears of each', async t => {
  const posted: { text: string; channel?: string }[] = [];
  const hook = createHttpServer((request, response) => {
    let body = '';
    request.on('data', chunk => (body += String(chunk)));
    request.on('end', () => {
      posted.push(JSON.parse(body) as (typeof posted)[number]);
      response.end('ok');
    });
  });
  hook.listen(0, '127.0.0.1');
  await once(hook, 'listening');
  t.teardown(() => hook.close());
  const url = `http://127.0.0.1:${String((hook.address() as AddressInfo).port)}/T0/B0/secret`;
  const scene = new PipelineScene(t, { LIMIT_TASKS: '1', SLACK_HOOK: url, SLACK_ROOM: '#results' });
  for (let i = 0; i < 3; i++) await scene.submit({ program: 'raise SystemExit(3)\n' });
  t.equal(await scene.runner.exited(), 0);
  t.equal(scene.runner.events.filter(({ event }) => event === 'started').length, 1);
  t.equal(scene.waiting().length, 2, 'the others are left alone');
  t.match(posted, [
    { text: /has started on/, channel: '#results' },
    { text: /has ended: exited: .*; its output is at file:\/\//, channel: '#results' },
  ]);
  t.notMatch(JSON.stringify(scene.runner.events), 'B0/secret');
});

t.test('LIMIT_IDLE_DURATION: the end of a runner that has nothing to do', async t => {
  const scene = new PipelineScene(t, { LIMIT_IDLE_DURATION: '1s' });
  t.equal(await scene.runner.exited(), 0);
  t.match(await scene.event(one => one.event === 'runner-stopping'), { why: /LIMIT_IDLE_DURATION/ });
});
