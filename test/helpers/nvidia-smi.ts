import { ChildProcess } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';

const fixtures = join(import.meta.dirname, '../../fixtures/nvidia-smi');

/**
 * A directory for PATH with a stand-in for nvidia-smi: no machine of the tests has a card. It answers with what `say` has put there:
 * an output of fixtures/nvidia-smi, a failure, or silence.
 */
export const standInNvidiaSmi = (directory: string) => {
  mkdirSync(directory, { recursive: true });
  const program = `#!/bin/sh
# A stand-in for nvidia-smi.
cd "${directory}" || exit 1
[ -e hang ] && { echo $$ >> started; exec /bin/sleep 600; }
[ -e failure ] && { /bin/cat failure; exit 9; }
case "$*" in
  --query-gpu=uuid,memory.used*) while [ -d "${directory}" ]; do /bin/cat used.csv 2>/dev/null; /bin/sleep 0.1; done; exit 0 ;;
  "-q -x") exec /bin/cat output.xml ;;
  -L) exec /bin/cat output.list ;;
esac
exit 2
`;
  const executable = join(directory, 'nvidia-smi');
  writeFileSync(executable, program);
  chmodSync(executable, 0o755);
  return {
    executable,
    fixture: (name: string) => join(fixtures, `${name}.xml`),
    /** The file that it answers with. */
    answer: join(directory, 'output.xml'),
    /** Words of a failure, as nvidia-smi prints them. */
    fail: (words: string) => {
      writeFileSync(join(directory, 'failure'), `${words}\n`);
    },
    hang: () => {
      writeFileSync(join(directory, 'hang'), '');
    },
    /** It fails and hangs no more. */
    recover: () => {
      for (const trouble of ['hang', 'failure']) rmSync(join(directory, trouble), { force: true });
    },
    /** Processes that were started while it was to hang. */
    hanging: (): number[] =>
      existsSync(join(directory, 'started'))
        ? readFileSync(join(directory, 'started'), 'utf8').trim().split('\n').map(Number)
        : [],
    /** What it tells once and again of memory in use, MiB by card. */
    use: (used: Readonly<Record<string, number>>) => {
      const lines = Object.entries(used).map(([uuid, mib]) => `${uuid}, ${String(mib)}\n`);
      writeFileSync(join(directory, 'used.csv'), lines.join(''));
    },
    /** @param name of a fixture */
    say: (name: string, hasList = false) => {
      copyFileSync(join(fixtures, `${name}.xml`), join(directory, 'output.xml'));
      if (hasList) copyFileSync(join(fixtures, `${name}.list`), join(directory, 'output.list'));
    },
  };
};

/**
 * From now on SIGKILL ends no process that this one has started through node:child_process, as if each waited for a driver in the
 * kernel. Out: what ends one of them all the same.
 */
export const deafToSigkill = (t: Test): ((pid: number) => void) => {
  t.intercept(ChildProcess.prototype, 'kill', { value: () => true });
  return pid => {
    process.kill(pid, 'SIGKILL');
  };
};
