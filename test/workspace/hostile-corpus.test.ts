import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { AttemptError } from '../../lib/errors.ts';
import { createDiskBudget } from '../../lib/workspace/disk-budget.ts';
import { unpackArchive } from '../../lib/workspace/unpack.ts';
import { compressions, zipOf } from '../helpers/compressed.ts';
import { hostileArchives } from '../helpers/hostile-archives.ts';
import { bodyOf, tarOf } from '../helpers/tars.ts';

const causes = ['artifact-invalid', 'out-of-disk'];
const budgetBytes = 8 * 1024 * 1024;

interface Seen {
  readonly path: string;
  readonly stats: Stats;
}

/** Everything in a directory; links are told, not followed. Names may be any bytes. */
const everything = (root: Buffer): Seen[] => {
  const seen: Seen[] = [];
  const stack = [root];
  for (let directory = stack.pop(); directory; directory = stack.pop()) {
    for (const name of readdirSync(directory, { encoding: 'buffer' })) {
      const path = Buffer.concat([directory, Buffer.from('/'), name]);
      const stats = lstatSync(path);
      seen.push({ path: path.toString(), stats });
      if (stats.isDirectory()) stack.push(path);
    }
  }
  return seen;
};
const listing = (root: string): string[] => everything(Buffer.from(root)).map(one => one.path);

const isOdd = (stats: Stats): boolean => !stats.isFile() && !stats.isDirectory() && !stats.isSymbolicLink();

/**
 * Unpack beside a neighbour that must stay as it was.
 * Out: why it was refused; undefined where it was not.
 */
const judge = async (t: Test, archive: Buffer, name: string): Promise<string | undefined> => {
  const place = mkdtempSync(join(t.testdirName, 'case-'));
  const [target, outside] = [join(place, 'target'), join(place, 'outside')];
  mkdirSync(target);
  mkdirSync(outside);
  mkdirSync(join(outside, 'kept'));
  const before = listing(outside);
  let why: string | undefined;
  try {
    await unpackArchive(bodyOf(archive), target, { budget: createDiskBudget(budgetBytes), name });
  } catch (error) {
    if (!(error instanceof AttemptError) || !causes.includes(error.code)) {
      t.fail(`${name}: ${String(error)}`);
      throw error;
    }
    why = error.message;
  }
  const found = everything(Buffer.from(target));
  const harm = [
    ...readdirSync(place).filter(one => one !== 'target' && one !== 'outside'),
    ...listing(outside).filter(one => !before.includes(one)),
    ...found.filter(({ stats }) => (stats.mode & 0o7000) !== 0 || isOdd(stats)).map(({ path }) => path),
  ];
  if (harm.length > 0) t.fail(`${name}: ${harm.join(', ')}`);
  const bytes = found.reduce((sum, { stats }) => sum + (stats.isFile() ? stats.size : 0), 0);
  if (bytes > budgetBytes) t.fail(`${name}: it holds more than it may`);
  rmSync(place, { recursive: true });
  return why;
};
t.test('nothing in the corpus of hostile archives does harm, and what is refused is told clearly', async t => {
  t.testdir();
  const refused: string[] = [];
  const unpacked: string[] = [];
  for await (const [name, bytes] of hostileArchives()) {
    const why = await judge(t, bytes, name);
    if (why === undefined) unpacked.push(name);
    else refused.push(`${name}: ${why}`);
  }
  const count = refused.length + unpacked.length;
  t.ok(count > 150, `${String(count)} archives`);
  t.ok(refused.length > 100, `${String(refused.length)} refused`);
  t.ok(refused.every(one => /archive refused: |more was to be unpacked/.test(one)));
  const mustRefuse = /^(slip-[0-46-9]\.|swap-|bomb|cut-|devices|pipe|no-tar|twice|nested)/;
  // A link that is replaced before the end did no harm.
  const wrongly = unpacked.filter(name => mustRefuse.test(name) && !name.startsWith('swap-after-file'));
  t.same(wrongly, []);
});

/** A generator of numbers that is the same at every run. Source: Marsaglia, "Xorshift RNGs". */
const random = (seed: number) => (below: number) => {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return (seed >>> 0) % below;
};

const changed = (archive: Buffer, next: (below: number) => number): Buffer => {
  const bytes = Buffer.from(archive);
  for (let times = 1 + next(4); times > 0; times--) {
    const at = next(bytes.length);
    const length = 1 + next(8);
    switch (next(4)) {
      case 0:
        bytes[at] = next(256);
        break;
      case 1:
        bytes.fill(next(2) * 255, at, Math.min(at + length, bytes.length));
        break;
      case 2:
        bytes.copy(bytes, at, next(bytes.length), next(bytes.length) + length);
        break;
      default:
        return bytes.subarray(0, at);
    }
  }
  return bytes;
};

const cases = 100;
const members = [
  { name: 'd/f', content: 'x'.repeat(900) },
  { name: 'link', type: 'symlink', linkname: 'd/f' },
  { name: `${'long/'.repeat(30)}name`, content: 'y'.repeat(2000) },
  { name: 'exe', mode: 0o755, content: Buffer.alloc(3000, 7) },
] as const;
const archives: Record<string, () => Promise<Buffer>> = {
  tar: () => tarOf(...members),
  zip: async () =>
    zipOf(
      { name: 'd/f', content: 'x'.repeat(900) },
      { name: 'link', mode: 0o120777, content: 'd/f' },
      { name: 'exe', mode: 0o100755, content: Buffer.alloc(3000, 7) },
    ),
};
for (const [name, compress] of Object.entries(compressions)) {
  archives[name] = async () => compress(await tarOf(...members));
}

for (const [index, [name, make]] of Object.entries(archives).entries()) {
  t.test(`${String(cases)} damaged archives in ${name} do no harm`, async t => {
    t.testdir();
    const archive = await make();
    const next = random(0x9e3779b9 + index);
    let refused = 0;
    for (let i = 0; i < cases; i++) {
      if ((await judge(t, changed(archive, next), `${name} ${String(i)}`)) !== undefined) refused++;
    }
    t.ok(refused > cases / 4, `${String(refused)} refused`);
  });
}
