import type { Options } from '../lib/config/options.ts';
import { messageOf, OptionsError } from '../lib/errors.ts';
import { findUser, type RunAs } from '../lib/executors/run-as.ts';
import { findExecutable } from '../lib/resources/find-executable.ts';

/** The user that experiments run as; undefined: the runner's own. Errors: OptionsError where that can't be. */
export const experimentUserOf = async ({ experimentUser }: Options): Promise<RunAs | undefined> => {
  if (experimentUser === undefined) return undefined;
  const fail = (why: string) =>
    new OptionsError([`--experiment-user (EXPERIMENT_USER): "${experimentUser}" can not be used: ${why}`]);
  if (process.getuid?.() !== 0) throw fail('the runner has to be root to run experiments as another user');
  const setpriv = await findExecutable('setpriv');
  if (setpriv === undefined) throw fail('there is no setpriv on PATH, in Debian part of util-linux');
  try {
    return await findUser(experimentUser, setpriv);
  } catch (error) {
    throw fail(messageOf(error));
  }
};
