import { run } from '../../resources/child-process.ts';

/** What a directory looks like from outside: of two that are alike nothing was written in between. */
export interface Survey {
  /** Over name, mode, size, and times of change of every entry. Nobody can set back when an inode was changed, root neither. */
  readonly fingerprint: string;
  /** As blocks on the disk. */
  readonly bytes: number;
  /** The entry that was changed last, relative. */
  readonly newest: string;
}

/** Nothing is opened, so it takes microseconds an entry; politely, since an experiment may be computing. Runs on Python 3.6. */
const program = `
import hashlib, json, os, sys
os.nice(5)
os.chdir(sys.argv[1])
digest, size, newest = hashlib.sha256(), 0, (0, ".")
def look(path, info):
    global size, newest
    size += info.st_blocks * 512
    newest = max(newest, (info.st_ctime_ns, path))
    line = "%s %o %d %d %d" % (path, info.st_mode, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
    digest.update(line.encode("utf-8", "surrogateescape") + b"\\0")
look(".", os.lstat("."))
stack = ["."]
while stack:
    with os.scandir(stack.pop()) as found:
        entries = sorted(found, key=lambda one: one.name)
    for one in entries:
        look(one.path, one.stat(follow_symlinks=False))
        if one.is_dir(follow_symlinks=False):
            stack.append(one.path)
print(json.dumps({"fingerprint": digest.hexdigest(), "bytes": size, "newest": newest[1][2:]}))
`;

const longestMs = 10 * 60_000;

/**
 * Look at everything below a directory, in a process of its own: a tree of packages has tens of thousands of files.
 * @param python path of an interpreter
 * Errors: those of the process; the directory is gone or can't be read.
 */
export const survey = async (python: string, directory: string, signal?: AbortSignal): Promise<Survey> => {
  const { stdout } = await run(python, ['-I', '-S', '-c', program, directory], {
    timeout: longestMs,
    killSignal: 'SIGKILL',
    ...(signal ? { signal } : {}),
  });
  return JSON.parse(stdout) as Survey;
};
