import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unpackArchive } from '../../lib/workspace/unpack.ts';
import type { Submitted } from './submit.ts';

type Ends = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

const indent = (text: string): string => text.trimEnd().replace(/^/gm, '      │ ');

/** What an experiment printed, out of the store. */
const outputOf = async (storage: string, key: string, results: string): Promise<string> => {
  await mkdir(results, { recursive: true });
  await unpackArchive(createReadStream(join(storage, 'experiments', key, 'output.tar')), results);
  return readFile(join(results, 'output'), 'utf8');
};

/** The parts of its metadata document that the experiment made, from its last attempt. */
const metadataOf = async (storage: string, key: string): Promise<string | undefined> => {
  const directory = join(storage, 'metadata');
  for (const name of (await readdir(directory)).filter(one => one.startsWith('scrape-')).reverse()) {
    const document = JSON.parse(await readFile(join(directory, name), 'utf8')) as {
      experiment?: unknown;
      studioml?: { experiment?: { key?: unknown } };
    };
    if (document.studioml?.experiment?.key === key && document.experiment) return JSON.stringify(document.experiment);
  }
  return undefined;
};

/** Print what came of the demo's experiments and where it is. Returns the exit code: 0 where all ended as they had to. */
export const summarise = async (directory: string, submitted: readonly Submitted[], ended: Ends): Promise<number> => {
  const storage = join(directory, 'store', 'storage');
  const print = (line: string) => process.stdout.write(`${line}\n`);
  let wrong = 0;
  print('');
  for (const { key, name, cause, shows } of submitted) {
    const end = ended.get(key) ?? {};
    const right = end['cause'] === cause;
    if (!right) wrong += 1;
    print(`  ${right ? '✓' : '✗'} ${name.padEnd(6)} ${String(end['message'])}  (${shows})`);
    const output = await outputOf(storage, key, join(directory, 'results', name)).catch(() => undefined);
    if (output === undefined) continue;
    print(indent(output));
    const metadata = await metadataOf(storage, key).catch(() => undefined);
    if (metadata) print(`      metadata  ${metadata}`);
    print(`      results   ${join(storage, 'experiments', key)}`);
  }
  print('');
  print(`  output of each, unpacked  ${join(directory, 'results')}`);
  print(`  metadata documents        ${join(storage, 'metadata')}`);
  print(`  dead letters              ${join(directory, 'queues', '.dead', 'local_demo')}`);
  print(`  remove all of it          rm -r ${directory}`);
  if (wrong > 0) print(`\n${String(wrong)} of ${String(submitted.length)} experiments did not end as they had to.`);
  return wrong === 0 ? 0 : 1;
};
