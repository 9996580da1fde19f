import { createHash } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildRequest } from '../../lib/request/build-request.ts';
import { createDirectoryStore } from '../../lib/storage/directory.ts';
import { packDirectory } from '../../lib/workspace/pack.ts';
import { packageRoot } from '../../lib/version.ts';

/** What the demo runs: a program of fixtures/demo each, and how it has to end. */
export const demoExperiments = [
  { name: 'hello', args: ['a b', "it's"], cause: 'completed', shows: 'arguments arrive as they were given' },
  { name: 'train', args: [], cause: 'completed', shows: 'lines of JSON become metadata, ../modeldir is kept' },
  { name: 'fail', args: [], cause: 'exited', shows: 'tried again, then a dead letter; its output is kept too' },
] as const;

export interface Submitted {
  readonly key: string;
  readonly name: string;
  readonly cause: string;
  readonly shows: string;
}

/** Put the demo's experiments on a directory queue as the client would. Returns them in their order. */
export const submitDemo = async (queueRoot: string, storeRoot: string): Promise<readonly Submitted[]> => {
  const queue = join(queueRoot, 'local_demo');
  await mkdir(queue, { recursive: true });
  const timeAddedMs = Date.now();
  const submitted: Submitted[] = [];
  for (const { name, args, cause, shows } of demoExperiments) {
    const key = `demo_${name}`;
    const request = buildRequest({
      key,
      filename: `${name}.py`,
      args,
      project: 'demo',
      workspaceKey: await upload(name, join(storeRoot, 'storage')),
      store: { endpoint: storeRoot, bucket: 'storage', databaseBucket: 'db' },
      timeAddedMs,
    });
    // Written beside the queue and renamed into it: the runner never sees half a message.
    const draft = join(queueRoot, `.${name}`);
    await writeFile(draft, JSON.stringify(request));
    await rename(draft, join(queue, name));
    submitted.push({ key, name, cause, shows });
  }
  return submitted;
};

const upload = async (name: string, bucket: string): Promise<string> => {
  const archive = await packDirectory(join(packageRoot, 'fixtures/demo', name), '.tar');
  if (!Buffer.isBuffer(archive)) throw new Error(`the demo's program is missing, or large [name=${name}]`);
  const key = `blobstore/${createHash('sha256').update(archive).digest('hex')}.tar`;
  await mkdir(bucket, { recursive: true });
  await createDirectoryStore({ root: bucket }).put(key, archive);
  return key;
};
