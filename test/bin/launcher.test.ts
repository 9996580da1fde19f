import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { flagOf, type OptionRow } from '../../lib/config/option-rows.ts';
import { options } from '../../lib/config/options.ts';

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}
const run = (file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ended> =>
  new Promise(resolve => {
    execFile(file, args, { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });

/** A package with the launcher in it, a main file that tells what it was given, and nodes that say which version they are. */
const layout = (t: Test, { built = true } = {}) => {
  const root = join(t.testdir({}), 'package');
  mkdirSync(join(root, 'bin'), { recursive: true });
  const runner = join(root, 'bin/runner');
  copyFileSync(new URL('../../bin/runner', import.meta.url), runner);
  chmodSync(runner, 0o755);
  if (built) {
    mkdirSync(join(root, 'dist/bin'), { recursive: true });
    writeFileSync(join(root, 'dist/bin/main.js'), '');
  }
  const node = (path: string, version: string): string => {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `#!/bin/sh\n[ "$1" = -p ] && { echo ${version}; exit; }\necho "${version} $*"\n`);
    chmodSync(file, 0o755);
    return file;
  };
  const env = (more: Record<string, string> = {}) => ({ PATH: '/usr/bin:/bin', ...more });
  return { root, runner, node, env, main: join(root, 'dist/bin/main.js') };
};

t.test('the Node that npm installed beside it is taken, arguments come through as they are', async t => {
  const { runner, node, env, main } = layout(t);
  node('node_modules/.bin/node', '24.1.0');
  t.match(await run(runner, ['serve', '--queue-match=a b', ''], env()), {
    code: 0,
    stdout: `24.1.0 --max-semi-space-size=8 ${main} serve --queue-match=a b \n`,
  });
});

t.test('STUDIOML_NODE comes first, and is an error where it is too old', async t => {
  const { runner, node, env } = layout(t);
  node('node_modules/.bin/node', '24.1.0');
  const other = node('other/node', '22.18.0');
  t.match(await run(runner, [], env({ STUDIOML_NODE: other })), { code: 0, stdout: /^22\.18\.0 / });
  const old = node('old/node', '22.17.9');
  t.match(await run(runner, [], env({ STUDIOML_NODE: old })), {
    code: 2,
    stderr: /STUDIOML_NODE=.*22\.18.*is 22\.17\.9/,
  });
});

t.test('the Node on PATH is taken where no other is new enough', async t => {
  const { runner, node, env } = layout(t);
  node('node_modules/.bin/node', '20.9.0');
  const onPath = dirname(node('path/node', '26.0.0'));
  t.match(await run(runner, [], env({ PATH: `${onPath}:/usr/bin:/bin` })), { code: 0, stdout: /^26\.0\.0 / });
});

t.test('where no Node is new enough it says what there is and how to get one', async t => {
  const { runner, node, env } = layout(t);
  const old = dirname(node('path/node', '18.0.0'));
  const ended = await run(runner, [], env({ PATH: `${old}:/usr/bin:/bin` }));
  t.match(ended, { code: 2, stdout: '', stderr: /22\.18 or newer is needed.*18\.0\.0[^]*npm ci[^]*STUDIOML_NODE/ });
});

t.test('where nothing is built yet it says how to', async t => {
  const { runner, node, env } = layout(t, { built: false });
  node('node_modules/.bin/node', '24.1.0');
  t.match(await run(runner, [], env()), { code: 2, stderr: /npm run build/ });
});

t.test('it works through symbolic links, absolute and relative', async t => {
  const { root, runner, node, env } = layout(t);
  node('node_modules/.bin/node', '24.1.0');
  mkdirSync(join(root, 'links'));
  symlinkSync(runner, join(root, 'links/one'));
  symlinkSync('one', join(root, 'links/two'));
  t.match(await run(join(root, 'links/two'), [], env()), { code: 0, stdout: /dist\/bin\/main\.js/ });
});

for (const shell of ['sh', 'bash', 'busybox']) {
  t.test(
    `${shell} takes secrets off the environment and the command line, and hands them over as they are`,
    async t => {
      const { root, runner, env } = layout(t);
      const file = join(root, 'node_modules/.bin/node');
      mkdirSync(dirname(file), { recursive: true });
      const told = '"$STUDIOML_HANDED_OVER"; shift 2; printf "<%s>" "$@"; env; echo "handed over:"; cat <&9';
      writeFileSync(file, `#!/bin/sh\n[ "$1" = -p ] && { echo 24.1.0; exit; }\necho fd ${told}\n`);
      chmodSync(file, 0o755);
      const password = `it's "two"\nlines of $HOME \\ and \`more\``;
      const values = {
        PGPASSWORD: password,
        AMQP_URL: 'amqp://u:$RMQ_WORD@h',
        RMQ_WORD: 'w',
        OTHER: 'https://u:v@h',
        PLAIN: 'p',
      };
      const found = await run(
        '/usr/bin/env',
        [shell, ...(shell === 'busybox' ? ['sh'] : []), runner, 'serve', '--slack-hook', 'a b', '--amqp-url=x'],
        env(values),
      );
      if (found.code === 127) {
        t.plan(0, `no ${shell} here`);
        return;
      }
      const [seen = '', handed = ''] = found.stdout.split('handed over:\n');
      t.match(seen, /^fd 9\n<serve><--slack-hook><hidden><--amqp-url=hidden>/);
      t.match(seen, /^PLAIN=p$/m);
      t.notMatch(seen, /PGPASSWORD|AMQP_URL|RMQ_WORD|OTHER|"two"|lines of/);
      const records = handed.split('\u0001\u0002').slice(0, -1);
      t.same(
        new Set(records),
        new Set([
          `PGPASSWORD=${password}`,
          `AMQP_URL=${values.AMQP_URL}`,
          'RMQ_WORD=w',
          'OTHER=https://u:v@h',
          '=serve',
          '=--slack-hook',
          '=a b',
          '=--amqp-url=x',
        ]),
      );
      t.same(
        records.filter(record => record.startsWith('=')),
        ['=serve', '=--slack-hook', '=a b', '=--amqp-url=x'],
        'in order',
      );
    },
  );
}

for (const shell of ['sh', 'bash', 'busybox']) {
  t.test(`${shell} hands large secrets over through a pipe, and passes none of its own variables on`, async t => {
    const { root, runner, env } = layout(t);
    const file = join(root, 'node_modules/.bin/node');
    mkdirSync(dirname(file), { recursive: true });
    const told = 'echo "pid $$ $PPID"; readlink /proc/$$/fd/9; env; echo "handed over:"; cat <&9';
    writeFileSync(file, `#!/bin/sh\n[ "$1" = -p ] && { echo 24.1.0; exit; }\n${told}\n`);
    chmodSync(file, 0o755);
    const names = [...readFileSync(runner, 'utf8').matchAll(/(?<![\w-])([a-z]+)=|for ([a-z]+) in/g)];
    const own = Object.fromEntries(names.map(([, set, looped]) => [set ?? looped ?? '', 'x']));
    const secret = 'canary'.repeat(15_000);
    const found = await run(
      '/usr/bin/env',
      [shell, ...(shell === 'busybox' ? ['sh'] : []), runner, 'serve'],
      env({ ...own, SOME_TOKEN: secret }),
    );
    if (found.code === 127) {
      t.plan(0, `no ${shell} here`);
      return;
    }
    const [seen = '', handed = ''] = found.stdout.split('handed over:\n');
    t.match(seen, new RegExp(`^pid \\d+ ${String(process.pid)}\npipe:`), 'in the place of the shell');
    t.notMatch(seen, /canary/);
    for (const name of Object.keys(own)) t.notMatch(seen, new RegExp(`^${name}=`, 'm'));
    t.ok(names.length > 20);
    t.equal(handed.split('\u0001\u0002')[0], `SOME_TOKEN=${secret}`);
  });
}

t.test('every option that is a secret is hidden on the command line', async t => {
  const text = readFileSync(new URL('../../bin/runner', import.meta.url), 'utf8');
  const rows: readonly OptionRow[] = Object.values(options);
  for (const row of rows.filter(({ secret }) => secret === true)) t.ok(text.includes(`${flagOf(row)}=*`), flagOf(row));
});
