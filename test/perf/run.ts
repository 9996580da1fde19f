/** `npm run bench [name...]`: runs the benches beside this file one after another against real services, prints what they
 *  measured beside what they have to reach, and ends with exit code 1 where one doesn't reach it.
 *  A run of all of them writes its table to docs/performance.md. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import path from 'node:path';
import { say, withServices } from '../services/with-services.ts';
import type { Bench, Row } from './bench.ts';

const root = path.join(import.meta.dirname, '../..');

/** Every file here that exports a `bench`, by name. Their text tells, since some of the others are programs that act on import. */
const findBenches = async (): Promise<Bench[]> => {
  const here = import.meta.dirname;
  const files = readdirSync(here).filter(
    file => file.endsWith('.ts') && /^export const bench\b/m.test(readFileSync(path.join(here, file), 'utf8')),
  );
  const modules = await Promise.all(files.sort().map(file => import(`./${file}`) as Promise<{ bench: Bench }>));
  return modules.map(({ bench }) => bench);
};

const runBench = async (bench: Bench): Promise<Row[]> => {
  say(`${bench.name}: running`);
  try {
    return await bench.run();
  } catch (error) {
    console.error(error);
    const detail = error instanceof Error ? error.message : String(error);
    return [{ name: 'ended with an error', measured: NaN, unit: '', reach: '', ok: false, detail }];
  }
};

const number = new Intl.NumberFormat('en', { maximumSignificantDigits: 4 });
const heads = ['bench', 'measure', 'measured', 'reach', 'ok', 'detail'];
const cells = (bench: Bench, row: Row): string[] => [
  bench.name,
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
const benches = await findBenches();
const unknown = names.filter(name => !benches.some(bench => bench.name === name));
if (unknown.length > 0) {
  console.error(`no bench named ${unknown.join(', ')}; there are ${benches.map(bench => bench.name).join(', ')}`);
  process.exit(2);
}

await withServices(async (services, signal) => {
  Object.assign(process.env, services.env);
  const rows: string[][] = [];
  let allOk = true;
  for (const bench of benches) {
    if (names.length > 0 && !names.includes(bench.name)) continue;
    if (signal.aborted) break;
    const measured = await runBench(bench);
    allOk &&= measured.every(row => row.ok);
    rows.push(...measured.map(row => cells(bench, row)));
  }
  console.log(`\n${table(rows)}`);
  if (names.length === 0 && !signal.aborted) writeFileSync(path.join(root, 'docs/performance.md'), report(rows));
  return allOk ? 0 : 1;
});
