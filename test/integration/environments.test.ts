import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createEnvironments } from '../../lib/executors/environments.ts';
import { chooseInterpreter, findInterpreters } from '../../lib/executors/interpreters.ts';
import { createPrivateEnvironment } from '../../lib/executors/private-environment.ts';
import { needService } from '../helpers/services.ts';

const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) =>
    /^(PATH|HOME|PIP_.*|UV_.*|.*_PROXY|.*_CA_BUNDLE|SSL_CERT_.*)$/i.test(name),
  ),
) as Record<string, string>;
const interpreters = (await findInterpreters()).filter(one => one.hasPip);
const interpreter = chooseInterpreter(interpreters, '3');

const suite = (title: string, toolOf: (t: Test) => { uv: string | undefined } | undefined) => {
  const start = (t: Test) => {
    const tool = toolOf(t);
    if (!tool) return undefined;
    const directory = join(t.testdir(), 'environments');
    const log = join(t.testdirName, 'output');
    const environments = createEnvironments({ directory, env, ...tool });
    const get = (requirements: string[], signal = new AbortController().signal) =>
      environments.get({ interpreter, requirements, log, signal });
    return { directory, log, get };
  };

  t.test(`${title}: twenty at once share one environment that was built once`, async t => {
    const use = start(t);
    if (!use) return;
    const all = await Promise.all(Array.from({ length: 20 }, () => use.get(['six==1.16.0'])));
    t.equal(all.filter(one => one.built).length, 1);
    t.equal(new Set(all.map(one => one.packages)).size, 1);
    const [shared] = all;
    t.match(
      shared?.tree.find(one => one.name === 'six'),
      { version: '1.16.0', requires: [] },
    );
    t.ok(shared?.tree.some(one => one.name === 'pip'));
    t.match(readFileSync(use.log, 'utf8'), /six/);
    t.strictSame(readdirSync(use.directory), [shared?.key], 'neither lock nor staging place is left');

    const own = createPrivateEnvironment(join(t.testdirName, 'own'), interpreter, shared);
    const seen = execFileSync(own.python, ['-c', 'import six; print(six.__file__)'], { encoding: 'utf8' });
    t.equal(seen.trim(), join(shared?.packages ?? '', 'six.py'));
    const pip = execFileSync(own.python, ['-m', 'pip', '--version'], { encoding: 'utf8' });
    t.match(pip, shared?.packages);
  });

  t.test(`${title}: another set is another environment`, async t => {
    const use = start(t);
    if (!use) return;
    const [one, other] = [await use.get(['six==1.16.0']), await use.get(['six==1.15.0'])];
    t.not(one.key, other.key);
    t.match(
      other.tree.find(each => each.name === 'six'),
      { version: '1.15.0' },
    );
  });

  t.test(`${title}: a requirement that does not exist fails everybody who waits, in the tool's words`, async t => {
    const use = start(t);
    if (!use) return;
    const wanted = 'studioml-runner-no-such-requirement==9.9';
    const ends = await Promise.allSettled([use.get([wanted]), use.get([wanted])]);
    for (const end of ends)
      t.match(end, { status: 'rejected', reason: { code: 'environment', message: /no-such-requirement/ } });
    t.match(readFileSync(use.log, 'utf8'), /no-such-requirement/);
    t.strictSame(readdirSync(use.directory), []);
  });

  t.test(`${title}: an abort ends the installation and leaves nothing`, async t => {
    const use = start(t);
    if (!use) return;
    const stop = new AbortController();
    const asked = use.get(['six==1.16.0'], stop.signal);
    setImmediate(() => {
      stop.abort(new Error('enough'));
    });
    await t.rejects(asked, /enough/);
    const again = await use.get(['six==1.16.0']);
    t.ok(again.built);
  });
};

suite('pip', () => ({ uv: undefined }));
suite('uv', t => {
  const uv = needService(t, 'TEST_UV');
  return uv === undefined ? undefined : { uv };
});
