import { execFileSync } from 'node:child_process';
import t from 'tap';
import { runCommand } from '../helpers/run-command.ts';

/** What bash offers for the last of these words. */
const offered = (script: string, ...words: string[]): string[] =>
  execFileSync('bash', [
    '-c',
    `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _runner; printf '%s\\n' "\${COMPREPLY[@]}"`,
    'bash',
    ...words,
  ])
    .toString()
    .split('\n')
    .filter(Boolean);

t.test('bash completes commands, their flags, and options', async t => {
  const { code, stdout } = await runCommand(['completion', 'bash']);
  t.equal(code, 0);
  t.same(offered(stdout, 'runner', 're'), ['replay', 'record']);
  t.same(offered(stdout, 'runner', 'replay', '--dry'), ['--dry-run']);
  t.same(offered(stdout, 'runner', 'submit', '--gp'), ['--gpus', '--gpu-mem']);
  t.same(offered(stdout, 'runner', '--max-a', ''.concat('--max-a')), ['--max-attempts']);
  t.same(offered(stdout, 'runner', 'keys', '--amqp'), [], 'keys takes no options of the table');
});

t.test('zsh and fish have theirs, other shells are refused', async t => {
  t.match((await runCommand(['completion', 'zsh'])).stdout, /bashcompinit[^]*complete -o default -F _runner runner/);
  t.match((await runCommand(['completion', 'fish'])).stdout, /-a submit -d 'Pack a workspace/);
  t.match(await runCommand(['completion', 'tcsh']), { code: 2, stderr: /found "tcsh", expected bash, zsh or fish/ });
});
