import { run } from '../../resources/child-process.ts';

/** What can't be compiled is for other Pythons, and never imported: it is passed over. */
const program = `
import compileall, os, shutil, sys
os.nice(15)
os.rmdir(sys.argv[2])
shutil.copytree(sys.argv[1], sys.argv[2], symlinks=True)
compileall.compile_dir(sys.argv[2], maxlevels=64, quiet=2, ddir=sys.argv[3])
`;

const longestMs = 3_600_000;

/**
 * Copy a tree of packages, and compile the copy to bytecode, at the lowest priority.
 * @param to an empty directory
 * @param place where the copy will be: tracebacks name it
 * Errors: those of the process; the signal's reason.
 */
export const copyCompiled = async (
  python: string,
  from: string,
  to: string,
  place: string,
  signal: AbortSignal,
): Promise<void> => {
  await run(python, ['-I', '-c', program, from, to, place], {
    timeout: longestMs,
    killSignal: 'SIGKILL',
    signal,
  });
};
