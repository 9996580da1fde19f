import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastValueFrom, of } from 'rxjs';
import { createDocument } from '../../lib/output/document.ts';
import { mergeOutput } from '../../lib/stages/merge-output.ts';
import { runningAttempt } from '../helpers/running-attempt.ts';
import { spawnRun } from '../helpers/spawn-run.ts';

/** `cat` of the prepared file as an experiment, into output/output and the document. Prints its time in ms, and memory. */
const [input = '', directory = ''] = process.argv.slice(2);
const document = createDocument();
await new Promise(resolve => setTimeout(resolve, 200));
const idleBytes = process.memoryUsage.rss();
const startedAt = performance.now();
const run = spawnRun('cat', [input]);
const attempt = runningAttempt({ run, document, outputFile: join(directory, 'output') });
const { end } = await lastValueFrom(of(attempt).pipe(mergeOutput({ emit: () => undefined, now: Date.now })));
const bytes = document.serialize();
writeFileSync(join(directory, 'document.json'), bytes);
const ms = performance.now() - startedAt;
const peakBytes = process.resourceUsage().maxRSS * 1024;
const { counts } = document;
process.stdout.write(
  JSON.stringify({ ms, idleBytes, peakBytes, cause: end?.cause, counts, documentBytes: bytes.length }),
);
