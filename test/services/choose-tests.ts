import { globSync } from 'node:fs';
import path from 'node:path';

/** The test files of a run, relative to `root`, sorted.
 *  `unit`: without test/integration and without the long ones. `long`: the tests of minutes too. `sample`: of those, the first
 *  of each folder (a folder is a kind). `card`: those that need a card of NVIDIA, and no others. */
export const chooseTests = (
  root: string,
  want: { unit: boolean; long: boolean; sample: boolean; card: boolean },
): string[] => {
  const found = globSync('test/**/*.test.ts', { cwd: root }).sort();
  const needsCard = (file: string): boolean => file.endsWith('.card.test.ts');
  if (want.card) return found.filter(needsCard);
  const all = found.filter(file => !needsCard(file));
  const isLong = (file: string): boolean => file.endsWith('.long.test.ts');
  const short = all.filter(file => !isLong(file));
  if (want.unit) return short.filter(file => !file.startsWith('test/integration/'));
  const long = all.filter(isLong);
  if (want.long) return [...short, ...long];
  return want.sample ? [...short, ...firstOfEachFolder(long)] : short;
};

const firstOfEachFolder = (sorted: readonly string[]): string[] =>
  sorted.filter((file, index) => path.dirname(file) !== path.dirname(sorted[index - 1] ?? ''));
