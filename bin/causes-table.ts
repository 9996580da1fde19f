import { writeFile } from 'node:fs/promises';
import { causesMarkdown } from '../lib/stages/causes.ts';

await writeFile(new URL('../docs/causes.md', import.meta.url), causesMarkdown());
