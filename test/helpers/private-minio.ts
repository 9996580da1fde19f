import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { needService } from './services.ts';

const script = join(import.meta.dirname, '../services/minio.sh');
const run = promisify(execFile);

/**
 * Start a MinIO that one test file has for itself; it is stopped, and what it wrote removed, at the end of `t`. The first start on a
 * machine builds it, for minutes. Out: its address, with key and secret; undefined where there is no S3 server at all: the test is
 * skipped, or fails in CI.
 */
export const startMinio = async (t: Test): Promise<string | undefined> => {
  if (needService(t, 'TEST_S3_URL') === undefined) return undefined;
  const directory = mkdtempSync(join(tmpdir(), 'runner-minio-'));
  const env = { ...process.env, RUNNER_TEST_DIR: directory };
  const act = async (action: string): Promise<string> => (await run('bash', [script, action], { env })).stdout;
  t.teardown(async () => {
    await act('stop');
    rmSync(directory, { recursive: true, force: true });
  });
  return /^TEST_MINIO_URL=(.*)$/m.exec(await act('start'))?.[1];
};
