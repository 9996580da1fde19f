import type { Command } from '../model/attempt.ts';
import { shellQuote } from '../request/shquote.ts';

const shellName = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Variables that some shell keeps for itself: they refuse values, or give others. */
const shellsOwn =
  /^(?:BASH.*|DIRSTACK|E?UID|ENV|FUNCNAME|GROUPS|HIST.*|IFS|LINENO|MAIL.*|OLDPWD|OPT(?:ARG|ERR|IND)|POSIXLY_CORRECT|PPID|PS[0-4]|PWD|RANDOM|SECONDS|SHELLOPTS|SHLVL|_)$/;

/**
 * Lines by which a shell takes its score, so that the kernel finds it before the runner when memory is short, and joins groups.
 * @param joins files that a process writes `0` to in order to join
 */
export const confineScript = (oomScore: number, joins: readonly string[]): string =>
  [
    `{ echo ${String(oomScore)} > /proc/self/oom_score_adj`,
    ...joins.map(file => `echo 0 > ${shellQuote(file)}`),
    '} 2> /dev/null',
    '',
  ].join('\n');

/**
 * Lines by which a shell becomes a program without starting another process. The environment is the command's alone; names that a
 * shell can't write, or has a use for, are handed on by env(1).
 */
export const becomeScript = ({ file, args, cwd, env }: Command): string => {
  const variables = Object.entries(env);
  const isPlain = (name: string) => shellName.test(name) && !shellsOwn.test(name);
  const odd = variables.filter(([name]) => !isPlain(name)).map(([name, value]) => `${name}=${value}`);
  const program = [...(odd.length === 0 ? [] : ['/usr/bin/env', ...odd]), file, ...args];
  return [
    `cd ${shellQuote(cwd)} || exit 126`,
    // What some shells export by themselves.
    'unset OLDPWD PWD SHLVL',
    ...variables.filter(([name]) => isPlain(name)).map(([name, value]) => `export ${name}=${shellQuote(value)}`),
    `exec ${program.map(shellQuote).join(' ')} < /dev/null`,
    '',
  ].join('\n');
};
