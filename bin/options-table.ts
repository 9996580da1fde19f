import { readFile, writeFile } from 'node:fs/promises';
import { withOptionsTable } from '../lib/config/describe.ts';

const readme = new URL('../README.md', import.meta.url);
await writeFile(readme, withOptionsTable(await readFile(readme, 'utf8')));
