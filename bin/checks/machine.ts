import { execFile } from 'node:child_process';
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../lib/errors.ts';
import { findInterpreters } from '../../lib/executors/interpreters.ts';
import { openEnv } from '../../lib/request/open-env.ts';
import { humanBytes } from '../../lib/telemetry/person-format.ts';
import type { Check } from './check.ts';

const run = promisify(execFile);
const littleDiskBytes = 2e9;

const workingDirectory: Check = {
  name: 'working directory',
  run: async ({ workingDir }) => {
    try {
      const probe = await mkdtemp(join(workingDir, 'studioml-check-'));
      try {
        await writeFile(join(probe, 'probe'), 'x');
      } finally {
        await rm(probe, { recursive: true });
      }
    } catch (error) {
      return {
        status: 'failure',
        found: messageOf(error),
        expected: 'a directory that can be written to',
        remedy: 'make it, or choose another with WORKING_DIR',
      };
    }
    const { bavail, bsize } = await statfs(workingDir);
    const freeBytes = bavail * bsize;
    const found = `${workingDir}, ${humanBytes(freeBytes)} free`;
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
    if (all.length > 0)
      return { status: 'ok', found: all.map(({ version, path }) => `${version} (${path})`).join(', ') };
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
      const { stdout } = await run('uv', ['--version'], { signal, env: openEnv(process.env) });
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

export const machineChecks: readonly Check[] = [workingDirectory, interpreters, uv];
