import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command, StagedAttempt } from '../model/attempt.ts';
import { run } from '../resources/child-process.ts';

/** Another user than the runner's own, for experiments. */
export interface RunAs {
  readonly uid: number;
  readonly gid: number;
  /** Whether it has groups of its own in the user database. */
  readonly hasGroups: boolean;
  /** Path of setpriv(1). */
  readonly setpriv: string;
}

const idOf = async (flag: '-u' | '-g', name: string): Promise<number> =>
  Number((await run('id', [flag, '--', name])).stdout);

/**
 * A user by its name, or by `UID[:GID]`.
 * Errors: Error that says what is wrong with it.
 */
export const findUser = async (text: string, setpriv: string): Promise<RunAs> => {
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(text) ?? [];
  if (uid !== undefined) return { uid: Number(uid), gid: Number(gid ?? uid), hasGroups: false, setpriv };
  try {
    return { uid: await idOf('-u', text), gid: await idOf('-g', text), hasGroups: true, setpriv };
  } catch (error) {
    throw new Error('there is no such user', { cause: error });
  }
};

/** The same program as another user, who can gain nothing: it joins its control groups before, as root. */
export const commandAs = (command: Command, { uid, gid, hasGroups, setpriv }: RunAs): Command => ({
  ...command,
  file: setpriv,
  args: [
    `--reuid=${String(uid)}`,
    `--regid=${String(gid)}`,
    hasGroups ? '--init-groups' : '--clear-groups',
    '--no-new-privs',
    '--',
    command.file,
    ...command.args,
  ],
});

/** The runner goes on writing there, and must not be led elsewhere by a link. */
const ofTheRunner = new Set(['output', '_metadata', '_runner']);

/**
 * Make an attempt's inputs, its environment and its TMPDIR another user's. What is the runner's stays so.
 * Errors: those of chown.
 */
export const handOver = async (
  { workspace }: Pick<StagedAttempt, 'workspace'>,
  { uid, gid }: Pick<RunAs, 'uid' | 'gid'>,
): Promise<void> => {
  const names = (await readdir(workspace.root)).filter(name => !ofTheRunner.has(name));
  const own = (await readdir(workspace.runner)).filter(name => ['tmp', 'env'].includes(name));
  const paths = [...names.map(name => join(workspace.root, name)), ...own.map(name => join(workspace.runner, name))];
  await run('chown', ['-hR', `${String(uid)}:${String(gid)}`, '--', ...paths]);
};
