import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { needService } from '../helpers/services.ts';

const run = promisify(execFile);
const root = new URL('../../', import.meta.url).pathname;
const init = ['/usr/bin/tini', '/usr/bin/docker-init'].find(file => existsSync(file));

/** Tells what can be read of the process that started it, and of what was handed to it. */
const main = `
import { readFileSync } from 'node:fs';
const parent = '/proc/' + process.ppid;
console.log(JSON.stringify({
  parent: readFileSync(parent + '/comm', 'utf8').trim(),
  environ: readFileSync(parent + '/environ', 'utf8') + readFileSync(parent + '/cmdline', 'utf8'),
  handedOver: readFileSync(9, 'utf8'),
  argv: process.argv.slice(2),
}));
process.exit(7);
`;

t.test(
  'the init of the image has no secret in its environment, and passes on what ends and what is handed over',
  async t => {
    // The engine's package brings an init.
    if (init === undefined && needService(t, 'TEST_DOCKER_HOST') === undefined) return;
    const home = t.testdir({});
    for (const directory of ['bin', 'tools', 'dist/bin']) mkdirSync(join(home, directory), { recursive: true });
    copyFileSync(join(root, 'bin/runner'), join(home, 'bin/runner'));
    copyFileSync(join(root, 'deploy/node-under-init'), join(home, 'tools/node-under-init'));
    for (const file of ['bin/runner', 'tools/node-under-init']) chmodSync(join(home, file), 0o755);
    symlinkSync(init ?? '', join(home, 'tools/tini'));
    writeFileSync(join(home, 'package.json'), '{"type": "module"}');
    writeFileSync(join(home, 'dist/bin/main.js'), main);
    const env = {
      PATH: `${join(home, 'tools')}:${process.env['PATH'] ?? ''}`,
      STUDIOML_NODE: join(home, 'tools/node-under-init'),
      AMQP_URL: 'amqp://user:not-for-experiments@host',
    };
    const ended = await run(join(home, 'bin/runner'), ['serve', 'a b'], { env }).catch((error: unknown) => error);
    t.match(ended, { code: 7 });
    const { parent, environ, handedOver, argv } = JSON.parse((ended as { stdout: string }).stdout) as Record<
      string,
      string
    >;
    t.match(parent, /^(tini|docker-init)$/);
    t.match(environ, 'STUDIOML_NODE=', 'its environment was read');
    t.notMatch(environ, /not-for-experiments/);
    t.match(handedOver, 'AMQP_URL=amqp://user:not-for-experiments@host');
    t.strictSame(argv, ['serve', 'a b']);
  },
);
