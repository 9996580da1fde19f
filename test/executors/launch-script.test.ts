import { execFileSync } from 'node:child_process';
import t from 'tap';
import { becomeScript } from '../../lib/executors/launch-script.ts';

const findShells = (): string[] =>
  ['/bin/sh', '/bin/dash', '/bin/bash', '/bin/busybox'].filter(shell => {
    try {
      execFileSync(shell, shell.endsWith('busybox') ? ['sh', '-c', ':'] : ['-c', ':']);
      return true;
    } catch {
      return false;
    }
  });

for (const shell of findShells()) {
  t.test(`a program gets its arguments, directory and environment as they are from ${shell}`, t => {
    const args = ["it's", '$HOME', 'a  b', '', '*', 'new\nline', '\\', 'ü'];
    const env = {
      PATH: '/nowhere',
      PLAIN: "it's $HOME `x`",
      EMPTY: '',
      LINES_2: 'one\ntwo',
      'odd.name': 'x y',
      IFS: ',',
      UID: '12',
      OPTIND: 'no number',
      PWD: 'elsewhere',
      SHLVL: 'deep',
    };
    const program = `console.log(JSON.stringify({ args: process.argv.slice(1), env: process.env, cwd: process.cwd(), input: require('fs').readFileSync(0, 'utf8') }))`;
    const cwd = t.testdir({ "it's here": {} });
    const command = { file: process.execPath, args: ['-e', program, '--', ...args], cwd: `${cwd}/it's here`, env };
    const out = execFileSync(shell, shell.endsWith('busybox') ? ['sh'] : [], {
      input: becomeScript(command),
      encoding: 'utf8',
      env: { SHELL_S: 'own' },
    });
    const got = JSON.parse(out) as { env: Record<string, string> };
    const own = /^(?:NODE_OPTIONS|_TAPJS.*|_|SHELL_S)$/;
    const seen = Object.fromEntries(Object.entries(got.env).filter(([name]) => !own.test(name)));
    t.strictSame({ ...got, env: seen }, { args, env, cwd: command.cwd, input: '' });
    t.end();
  });
}
