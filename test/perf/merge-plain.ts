import { createReadStream } from 'node:fs';

/** The plain loop that the merge is measured against: chunk, split, JSON.parse. Prints its time in ms. */
const startedAt = performance.now();
let rest = '';
let parsed = 0;
for await (const chunk of createReadStream(process.argv[2] as string, { encoding: 'utf8' })) {
  const lines = (rest + String(chunk)).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) {
    if (line.startsWith('{') || line.startsWith('[')) {
      JSON.parse(line);
      parsed++;
    }
  }
}
process.stdout.write(JSON.stringify({ ms: performance.now() - startedAt, parsed }));
