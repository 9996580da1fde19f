import { execFileSync, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { createS3Store } from '../../lib/storage/s3.ts';

/** What is transferred, bytes. BENCH_MB: less, for a look whether a bench works. */
export const totalBytes = Number(process.env['BENCH_MB'] ?? 1024) * 2 ** 20;

const needed = (name: string): string => {
  const value = process.env[name];
  if (value) return value;
  throw new Error(`${name} is not set: run this through npm run bench`);
};

/** A file of text-like bytes: half of it compresses well. */
export const writeFileOf = async (file: string, bytes: number): Promise<void> => {
  const out = createWriteStream(file);
  const half = 512 * 1024;
  for (let left = bytes; left > 0; left -= 2 * half) {
    const chunk = Buffer.concat([randomBytes(half), Buffer.alloc(half, 'a line that comes again and again\n')]);
    if (!out.write(chunk.subarray(0, Math.min(left, chunk.length)))) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
};

/** A bucket on the real server, a directory, and the fast client that benches compare with. */
export const openTransfers = async () => {
  const url = new URL(needed('TEST_S3_URL'));
  const s5cmd = needed('TEST_S5CMD');
  const credentials = {
    type: 'aws' as const,
    accessKey: decodeURIComponent(url.username),
    secretAccessKey: decodeURIComponent(url.password),
  };
  const keys = { accessKeyId: credentials.accessKey, secretAccessKey: credentials.secretAccessKey };
  const client = new S3Client({ endpoint: url.origin, region: 'us-east-1', forcePathStyle: true, credentials: keys });
  const bucket = `bench-${randomUUID()}`;
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  const directory = await mkdtemp(join(tmpdir(), 'studioml-bench-'));
  const store = createS3Store({ endpoint: url.origin, region: 'us-east-1', bucket, credentials });
  return {
    directory,
    bucket,
    store,
    named: {
      endpoint: url.origin,
      bucket,
      databaseBucket: bucket,
      credentials: { aws: { access_key: credentials.accessKey, secret_access_key: credentials.secretAccessKey } },
    },
    /** An empty directory below. */
    fresh: async () => {
      const path = join(directory, randomUUID());
      await mkdir(path);
      return path;
    },
    /** Run a shell line with `$S5` and `$BUCKET` in it; its wall time, ms, as `timed` measures it. */
    shell: async (line: string): Promise<number> => {
      execFileSync('sync');
      const startedAt = performance.now();
      const child = spawn('bash', ['-o', 'pipefail', '-ec', line], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: {
          ...process.env,
          AWS_ACCESS_KEY_ID: credentials.accessKey,
          AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
          AWS_REGION: 'us-east-1',
          S5: `${s5cmd} --endpoint-url ${url.origin} --log error`,
          BUCKET: `s3://${bucket}`,
        },
      });
      const [code] = (await once(child, 'exit')) as [number | null];
      if (code !== 0) throw new Error(`it failed: ${line}`);
      return performance.now() - startedAt;
    },
    close: async () => {
      for await (const { key } of store.list('')) await store.delete(key);
      await rm(directory, { recursive: true, force: true });
    },
  };
};

/** Wall time of work, ms; nothing of others is left to be written to the disk before it. */
export const timed = async (work: () => Promise<unknown>): Promise<number> => {
  execFileSync('sync');
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
};
