import { strict as assert } from 'node:assert';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ownCluster, type ClusterApi } from '../../lib/cluster/api.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { enter, followStates, type State } from '../../pipelines/states.ts';
import { eventually } from '../helpers/eventually.ts';

/** What the API says to a list and to a watch; one watch at a time. */
class FakeCluster {
  map: { data: Record<string, string>; version: number } | undefined;
  refuses: number | undefined;
  /** To whoever asked for the map `host` last; the test answers. */
  host: ServerResponse | undefined;
  lists = 0;
  readonly tokens: (string | undefined)[] = [];
  readonly watches: { from: string | null; answer: ServerResponse }[] = [];

  send(type: string, object: object): void {
    this.watches.at(-1)?.answer.write(`${JSON.stringify({ type, object })}\n`);
  }

  object(version: number, data: Record<string, string> = {}): object {
    return { metadata: { resourceVersion: String(version) }, data };
  }
}

const openCluster = async (t: Test): Promise<{ cluster: FakeCluster; api: ClusterApi }> => {
  const directory = t.testdir({});
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'ca.crt')];
  execFileSync(
    'openssl',
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=api -addext subjectAltName=IP:127.0.0.1 -keyout ${key} -out ${cert}`.split(
      ' ',
    ),
    { stdio: 'ignore' },
  );
  writeFileSync(join(directory, 'token'), 'first\n');
  const cluster = new FakeCluster();
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, ({ url = '', headers }, answer) => {
    const { pathname, searchParams } = new URL(url, 'https://api');
    cluster.tokens.push(headers.authorization);
    assert.equal(pathname, '/api/v1/namespaces/ml/configmaps');
    const map = searchParams.get('fieldSelector');
    if (map === 'metadata.name=host') {
      cluster.host = answer;
      return;
    }
    assert.equal(map, 'metadata.name=runners');
    if (cluster.refuses !== undefined) {
      answer.writeHead(cluster.refuses).end(JSON.stringify({ message: 'configmaps is forbidden' }));
    } else if (searchParams.get('watch') === '1') {
      answer.writeHead(200).flushHeaders();
      cluster.watches.push({ from: searchParams.get('resourceVersion'), answer });
    } else {
      cluster.lists += 1;
      const { map } = cluster;
      const items = map ? [cluster.object(map.version, map.data)] : [];
      answer.end(JSON.stringify({ metadata: { resourceVersion: String(map?.version ?? 1) }, items }));
    }
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  return { cluster, api: { url, credentials: directory } };
};

const follow = (t: Test, api: ClusterApi, names: readonly [string, string] = ['runners', 'runners']) => {
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const heard: State[] = [];
  const states = followStates({
    api,
    namespace: 'ml',
    names,
    emit: bus.emit,
    onState: state => heard.push(state),
    firstRetryMs: 10,
  });
  t.teardown(states.close);
  const named = (name: string) => events.filter(({ event }) => event === name).map(({ fields }) => fields);
  return { heard, named };
};

t.test('a state is heard at the start and at each change, and no longer when its map is gone', async t => {
  const { cluster, api } = await openCluster(t);
  cluster.map = { data: { STATE: 'DrainAndSuspend' }, version: 7 };
  const { heard } = follow(t, api);
  await eventually(() => assert.equal(cluster.watches.length, 1));
  t.equal(cluster.watches[0]?.from, '7');
  t.same(heard, ['DrainAndSuspend']);
  cluster.send('MODIFIED', cluster.object(8, { STATE: 'Running' }));
  await eventually(() => assert.deepEqual(heard, ['DrainAndSuspend', 'Running']));
  cluster.send('MODIFIED', cluster.object(9, { STATE: 'DrainAndSuspend', OTHER: 'x' }));
  cluster.send('DELETED', cluster.object(10));
  await eventually(() => assert.deepEqual(heard, ['DrainAndSuspend', 'Running', 'DrainAndSuspend', 'Running']));
});

t.test('a watch that ends goes on where it was, with the token that is valid then', async t => {
  const { cluster, api } = await openCluster(t);
  const { heard } = follow(t, api);
  await eventually(() => assert.equal(cluster.watches.length, 1));
  cluster.send('BOOKMARK', cluster.object(30));
  writeFileSync(join(api.credentials, 'token'), 'second');
  await eventually(() => {
    cluster.watches[0]?.answer.end();
    assert.equal(cluster.watches.length, 2);
  });
  t.equal(cluster.watches[1]?.from, '30');
  t.equal(cluster.lists, 1);
  t.equal(cluster.tokens.at(-1), 'Bearer second');
  cluster.send('ADDED', cluster.object(31, { STATE: 'Abort' }));
  await eventually(() => assert.deepEqual(heard, ['Running', 'Abort']));
});

t.test('a watch whose connection breaks is told once, and goes on where it was', async t => {
  const { cluster, api } = await openCluster(t);
  const { heard, named } = follow(t, api);
  await eventually(() => assert.equal(cluster.watches.length, 1));
  cluster.send('MODIFIED', cluster.object(30, { STATE: 'DrainAndSuspend' }));
  await eventually(() => assert.equal(heard.at(-1), 'DrainAndSuspend'));
  cluster.watches[0]?.answer.socket?.destroy();
  await eventually(() => assert.equal(cluster.watches.length, 2));
  t.equal(cluster.watches[1]?.from, '30');
  t.equal(cluster.lists, 1);
  await eventually(() => assert.equal(named('state-available').length, 1));
  t.equal(named('state-unavailable').length, 1);
  cluster.send('MODIFIED', cluster.object(31, { STATE: 'Running' }));
  await eventually(() => assert.equal(heard.at(-1), 'Running'));
});

t.test('a version that is too old is listed anew', async t => {
  const { cluster, api } = await openCluster(t);
  const { heard, named } = follow(t, api);
  await eventually(() => assert.equal(cluster.watches.length, 1));
  cluster.map = { data: { STATE: 'DrainAndTerminate' }, version: 50 };
  cluster.send('ERROR', { code: 410, message: 'too old resource version' });
  await eventually(() => assert.equal(cluster.watches.length, 2));
  t.equal(cluster.watches[1]?.from, '50');
  t.same(heard, ['Running', 'DrainAndTerminate']);
  t.same(named('state-unavailable'), []);
});

t.test('permissions that are missing are told once, and what comes after is heard', async t => {
  const { cluster, api } = await openCluster(t);
  cluster.refuses = 403;
  const { heard, named } = follow(t, api);
  await eventually(() => assert.ok(cluster.tokens.length > 3));
  t.match(named('state-unavailable'), [{ map: 'ml/runners', error: /^403: configmaps is forbidden/ }]);
  t.equal(named('state-unavailable').length, 1);
  cluster.map = { data: { STATE: 'DrainAndSuspend' }, version: 3 };
  cluster.refuses = undefined;
  await eventually(() => assert.deepEqual(heard, ['Running', 'DrainAndSuspend']));
  t.same(named('state-available'), [{ map: 'ml/runners' }]);
});

t.test('a state that there is not changes nothing', async t => {
  const { cluster, api } = await openCluster(t);
  cluster.map = { data: { STATE: 'DrainAndSuspend' }, version: 3 };
  const { heard, named } = follow(t, api);
  await eventually(() => assert.equal(cluster.watches.length, 1));
  cluster.send('MODIFIED', cluster.object(4, { STATE: 'runing' }));
  await eventually(() => assert.equal(named('state-unknown').length, 1));
  t.match(named('state-unknown'), [
    { found: 'runing', expected: ['Running', 'DrainAndSuspend', 'DrainAndTerminate', 'Abort'] },
  ]);
  t.same(heard, ['DrainAndSuspend']);
});

t.test('nothing is said before both maps are heard, and the one of the host decides', async t => {
  const { cluster, api } = await openCluster(t);
  cluster.map = { data: { STATE: 'DrainAndTerminate' }, version: 7 };
  const { heard, named } = follow(t, api, ['runners', 'host']);
  await eventually(() => assert.equal(cluster.watches.length, 1));
  await eventually(() => assert.ok(cluster.host));
  t.same(heard, []);
  const items = [cluster.object(8, { STATE: 'Running' })];
  cluster.host?.end(JSON.stringify({ metadata: { resourceVersion: '8' }, items }));
  await eventually(() => assert.deepEqual(heard, ['Running']));
  t.same(named('state-changed'), [], 'as it is without any map');
});

t.test('each state does what it says', async t => {
  const done: unknown[] = [];
  const runner = { stop: (how: unknown) => done.push(how) };
  const demand = {
    pause: (why: string) => done.push(`pause ${why}`),
    resume: (why: string) => done.push(`resume ${why}`),
  };
  for (const state of ['DrainAndSuspend', 'Running', 'DrainAndTerminate', 'Abort'] as const)
    enter(state, runner, demand);
  t.match(done, ['pause state', 'resume state', { finish: true }, { now: true }]);
});

t.test('a process that is no pod, or has no token, has no cluster', async t => {
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1' };
  t.equal(ownCluster({}, t.testdir({ token: 'x' })), undefined);
  t.match(ownCluster(env, t.testdirName), { url: 'https://[fd00::1]:443', credentials: t.testdirName });
  t.equal(ownCluster(env, join(t.testdirName, 'elsewhere')), undefined);
});
