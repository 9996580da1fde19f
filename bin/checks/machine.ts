import { lstat, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import { findInterpreters } from '../../lib/executors/interpreters.ts';
import { run } from '../../lib/resources/child-process.ts';
import { openControlGroups, shortcomings } from '../../lib/resources/cgroups/control-groups.ts';
import { humanBytes } from '../../lib/telemetry/person-format.ts';
import type { Check } from './check.ts';
import { directoryFault } from './directory-fault.ts';

const littleDiskBytes = 2e9;

/** A directory, or where it is not there the next one above that is. */
const nearest = async (path: string): Promise<string> => {
  try {
    await lstat(path);
    return path;
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return isMissing && dirname(path) !== path ? nearest(dirname(path)) : path;
  }
};

const workingDirectory: Check = {
  name: 'working directory',
  run: async ({ workingDir }) => {
    // The runner makes it; whether it can is seen above it.
    const there = await nearest(workingDir);
    try {
      const probe = await mkdtemp(join(there, 'studioml-check-'));
      try {
        await writeFile(join(probe, 'probe'), 'x');
      } finally {
        await rm(probe, { recursive: true });
      }
    } catch (error) {
      return {
        status: 'failure',
        found: directoryFault(there, error),
        expected: 'a directory that can be written to',
        remedy: 'make it, or choose another with WORKING_DIR',
      };
    }
    const { bavail, bsize } = await statfs(there);
    const freeBytes = bavail * bsize;
    const made = there === workingDir ? '' : ', which the runner makes';
    const found = `${workingDir}${made}, ${humanBytes(freeBytes)} free`;
    if (freeBytes >= littleDiskBytes) return { status: 'ok', found };
    return {
      status: 'warning',
      found,
      expected: `${humanBytes(littleDiskBytes)} or more for environments and artifacts`,
      remedy: 'free some, or choose another disk with WORKING_DIR',
    };
  },
};

const interpreters: Check = {
  name: 'Python',
  run: async () => {
    const all = await findInterpreters(process.env);
    const byVersion = all.toSorted((a, b) => a.version.localeCompare(b.version, 'en', { numeric: true }));
    if (all.length > 0)
      return { status: 'ok', found: byVersion.map(({ version, path }) => `${version} (${path})`).join(', ') };
    return {
      status: 'failure',
      found: 'no interpreter on PATH',
      expected: 'at least one; experiments name the version they need',
      remedy: 'install Python 3 with its venv module, in Debian: apt-get install python3-venv',
    };
  },
};

const uv: Check = {
  name: 'uv',
  run: async (_, signal) => {
    try {
      const { stdout } = await run('uv', ['--version'], { signal });
      return { status: 'ok', found: stdout.trim() };
    } catch (error) {
      signal.throwIfAborted();
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      return {
        status: 'warning',
        found: missing ? 'not on PATH; venv and pip are used instead' : messageOf(error),
        expected: 'uv, which makes environments many times faster',
        remedy: 'pip install uv',
      };
    }
  },
};

const limits: Check = {
  name: 'limits',
  run: async ({ memoryLimit }) => {
    const groups = await openControlGroups({ endLeftovers: false });
    await groups.close();
    const { memory, processes, members } = groups.enforced;
    const held = [
      ['memory', memory],
      ['processes', processes],
      ['kill', members],
    ].flatMap(([what, version]) =>
      version === undefined ? [] : [`${String(what)} by control groups v${String(version)}`],
    );
    const why = shortcomings(groups);
    const found = [...held, ...(why === undefined ? [] : [why]), `MEMORY_LIMIT is ${memoryLimit}`].join('; ');
    if (why === undefined) return { status: 'ok', found };
    return {
      status: 'warning',
      found,
      expected: 'control groups with memory and pids that the runner may write to',
      remedy: 'run it as root, or in a service with Delegate=yes, or in a container with a writable /sys/fs/cgroup',
    };
  },
};

export const machineChecks: readonly Check[] = [workingDirectory, interpreters, uv, limits];
