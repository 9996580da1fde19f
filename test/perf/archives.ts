import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createS3Store } from '../../lib/storage/s3.ts';
import type { ObjectStore } from '../../lib/storage/object-store.ts';

const needed = (name: string): string => {
  const value = process.env[name];
  if (value) return value;
  throw new Error(`${name} is not set: run this through npm run bench`);
};

/** How many files an archive has, and how large each is. */
export interface Shape {
  readonly files: number;
  readonly fileBytes: number;
}

/** Archives in a bucket of the real store, and a directory to unpack them to. */
export class Archives {
  readonly directory = mkdtempSync(join(tmpdir(), 'studioml-bench-'));
  readonly store: ObjectStore;
  readonly #bucket = `bench-${randomUUID()}`;
  readonly #endpoint: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #made: string[] = [];

  constructor() {
    const url = new URL(needed('TEST_S3_URL'));
    const credentials = {
      type: 'aws' as const,
      accessKey: decodeURIComponent(url.username),
      secretAccessKey: decodeURIComponent(url.password),
    };
    this.#endpoint = url.origin;
    this.#env = {
      PATH: process.env['PATH'],
      S5CMD: needed('TEST_S5CMD'),
      S3_ENDPOINT_URL: url.origin,
      AWS_ACCESS_KEY_ID: credentials.accessKey,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_REGION: 'us-east-1',
    };
    this.store = createS3Store({ endpoint: this.#endpoint, region: 'us-east-1', bucket: this.#bucket, credentials });
    this.shell(`"$S5CMD" --log error mb "s3://${this.#bucket}"`);
  }

  /** Run a line of shell; `"$S5CMD"` is the client that we compare with. */
  shell(line: string): void {
    execFileSync('bash', ['-euo', 'pipefail', '-c', line], { env: this.#env, stdio: ['ignore', 'ignore', 'inherit'] });
  }

  /** What the client that we compare with calls an object. */
  nameOf(key: string): string {
    return `s3://${this.#bucket}/${key}`;
  }

  /** Make an archive with GNU tar and store it. Half of the bytes are random, so that it compresses as data does. */
  make(key: string, { files, fileBytes }: Shape): void {
    const source = join(this.directory, 'source');
    for (let i = 0; i < files; i++) {
      const content = Buffer.alloc(fileBytes, `number ${String(i)} `);
      for (let at = 0; at < fileBytes; at += 8192) randomBytes(Math.min(4096, fileBytes - at)).copy(content, at);
      const parent = join(source, `d${String(i % 100)}`);
      mkdirSync(parent, { recursive: true });
      writeFileSync(join(parent, `f${String(i)}`), content);
    }
    const compress = key.endsWith('.gz') ? '| gzip -6' : '';
    this.shell(`tar -C '${source}' -cf - . ${compress} | "$S5CMD" --log error pipe '${this.nameOf(key)}'`);
    rmSync(source, { recursive: true });
  }

  /**
   * Time that work takes with an empty directory, ms; nothing of others is left to be written to the disk before it. What it made
   * stays until `clear`: ext4 without a journal gives no inode away again for minutes after it was freed, and to look past
   * thousands of those takes longer than the work.
   */
  async timed(work: (directory: string) => void | Promise<unknown>): Promise<number> {
    const directory = mkdtempSync(join(this.directory, 'target-'));
    this.#made.push(directory);
    execFileSync('sync');
    const startedAt = performance.now();
    await work(directory);
    return performance.now() - startedAt;
  }

  clear(): void {
    for (const directory of this.#made.splice(0)) rmSync(directory, { recursive: true });
  }

  close(): void {
    this.shell(
      `"$S5CMD" --log error rm --all-versions 's3://${this.#bucket}/*'; "$S5CMD" --log error rb 's3://${this.#bucket}'`,
    );
    rmSync(this.directory, { recursive: true, force: true });
  }
}
