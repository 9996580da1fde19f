/** A watch with nothing around it: a directory on the command line; prints each experiment's key once it is parsed. */
import { watch } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

const [directory = ''] = process.argv.slice(2);
const take = async (): Promise<void> => {
  for (const name of await readdir(directory)) {
    const body = await readFile(join(directory, name), 'utf8').catch(() => undefined);
    if (body === undefined) continue;
    const { experiment } = JSON.parse(body) as { experiment: { key: string } };
    process.stdout.write(`${experiment.key}\n`);
    await rm(join(directory, name), { force: true });
  }
};
let taking = Promise.resolve();
watch(directory, () => {
  taking = taking.then(take);
});
process.stdout.write('ready\n');
