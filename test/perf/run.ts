/** `npm run bench [name...]`: runs the benches beside this file one after another against real services, prints what they
 *  measured beside what they have to reach, and ends with exit code 1 where one doesn't reach it.
 *  A run of all of them writes its table to docs/performance.md. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import path from 'node:path';
import { say, withServices } from '../services/with-services.ts';
import type { Bench, Row } from './bench.ts';

const root = path.join(import.meta.dirname, '../..');

/** The benches' names: a bench is called as its file, which exports it as `bench`. The text tells, since some of the other files
 *  here are programs that act on import. */
const findBenches = (): string[] => {
  const here = import.meta.dirname;
  const files = readdirSync(here).filter(file => file.endsWith('.ts'));
  const isBench = (file: string): boolean => /^export const bench\b/m.test(readFileSync(path.join(here, file), 'utf8'));
  return files
    .filter(isBench)
    .map(file => path.basename(file, '.ts'))
    .sort();
};

const runBench = async (name: string): Promise<Row[]> => {
  say(`${name}: running`);
  try {
    const { bench } = (await import(`./${name}.ts`)) as { bench: Bench };
    return await bench.run();
  } catch (error) {
    console.error(error);
    const detail = error instanceof Error ? error.message : String(error);
    return [{ name: 'ended with an error', measured: NaN, unit: '', reach: '', ok: false, detail }];
  }
};

const number = new Intl.NumberFormat('en', { maximumSignificantDigits: 4 });
const heads = ['bench', 'measure', 'measured', 'reach', 'ok', 'detail'];
const cells = (bench: string, row: Row): string[] => [
  bench,
  row.name,
  `${Number.isNaN(row.measured) ? '-' : number.format(row.measured)} ${row.unit}`.trim(),
  row.reach,
  row.ok ? 'yes' : 'no',
  (row.detail ?? '').replaceAll('\n', ' '),
];

/** Markdown, with its columns aligned so that it reads well in a terminal too. */
const table = (rows: readonly string[][]): string => {
  const widths = heads.map((head, column) => Math.max(3, head.length, ...rows.map(row => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [heads, widths.map(width => '-'.repeat(width)), ...rows].map(line).join('\n');
};

const machine = (): string =>
  `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB of memory, ` +
  `Linux ${release()}, Node ${process.version}`;

const report = (rows: readonly string[][]): string => `# Performance

What \`npm run bench\` measured on ${new Date().toISOString().slice(0, 10)}, on ${machine()}. RabbitMQ and the S3 server
(versitygw) ran on the same machine. Ratios compare two measurements of the same run.

${table(rows)}
`;

const names = process.argv.slice(2);
const benches = findBenches();
const unknown = names.filter(name => !benches.includes(name));
if (unknown.length > 0) {
  console.error(`no bench named ${unknown.join(', ')}; there are ${benches.join(', ')}`);
  process.exit(2);
}

await withServices(async (services, signal) => {
  Object.assign(process.env, services.env);
  const rows: string[][] = [];
  let allOk = true;
  for (const bench of benches) {
    if (names.length > 0 && !names.includes(bench)) continue;
    if (signal.aborted) break;
    const measured = await runBench(bench);
    allOk &&= measured.every(row => row.ok);
    rows.push(...measured.map(row => cells(bench, row)));
  }
  console.log(`\n${table(rows)}`);
  if (names.length === 0 && !signal.aborted) writeFileSync(path.join(root, 'docs/performance.md'), report(rows));
  return allOk ? 0 : 1;
});
