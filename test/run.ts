/** The test command: `node test/run.ts [--unit | --long | --card] [tap options and files]`.
 *
 *  Starts the services that the tests need, runs tap with their addresses in `TEST_*`, stops them again, and closes with the
 *  line `N passed, N failed` (assertions, as tap counts them). The exit code is 0 only when nothing failed.
 *  --unit: only the tests that need no service, without starting any. --card: those that need a card of NVIDIA
 *  (`*.card.test.ts`), likewise. --long: the tests of minutes (`*.long.test.ts`) too; of those, CI runs the first of each
 *  folder. Files named on the command line are run instead of all. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chooseTests } from './services/choose-tests.ts';
import { killGroup } from './services/services.ts';
import { summary } from './services/summary.ts';
import { say, withServices } from './services/with-services.ts';

const root = path.dirname(import.meta.dirname);
const inCi = process.env['CI'] === 'true';
const args = process.argv.slice(2);
const own = new Set(['--unit', '--long', '--card']);
const [unit, card] = [args.includes('--unit'), args.includes('--card')];
const passedOn = args.filter(arg => !own.has(arg) && !arg.endsWith('.test.ts'));
const named = args.filter(arg => arg.endsWith('.test.ts'));

/** What failed, with the lines that tell why: the short reporter says nothing of it. */
const failuresOf = (tap: string): string => {
  const lines = tap.split('\n');
  const shown = lines.flatMap((line, at) => (/^\s*not ok/.test(line) ? [...lines.slice(at, at + 25), '…'] : []));
  return `${shown.slice(0, 1000).join('\n')}\n`;
};

/** Run tap over the tests; its numbers come from the TAP that it writes beside what it shows. */
const runTap = async (env: Readonly<Record<string, string>>, signal: AbortSignal): Promise<number> => {
  const tests =
    named.length > 0 ? named : chooseTests(root, { unit, card, long: args.includes('--long'), sample: inCi });
  const directory = mkdtempSync(path.join(tmpdir(), 'runner-tap-'));
  const tapFile = path.join(directory, 'all.tap');
  const timeout = tests.some(file => file.endsWith('.long.test.ts')) ? ['--timeout=1800'] : [];
  const reporter = process.stdout.isTTY || passedOn.some(arg => /^(-R|--reporter)/.test(arg)) ? [] : ['--reporter=min'];
  try {
    const child = spawn(
      'tap',
      ['--disable-coverage', ...reporter, ...timeout, `--output-file=${tapFile}`, ...passedOn, ...tests],
      {
        cwd: root,
        env: { ...process.env, ...env, PATH: `${path.join(root, 'node_modules/.bin')}:${process.env['PATH']}` },
        stdio: ['ignore', 'inherit', 'inherit'],
        detached: true,
      },
    );
    const end = (): void => {
      killGroup(child, 'SIGTERM');
      setTimeout(() => killGroup(child, 'SIGKILL'), 10_000).unref();
    };
    signal.addEventListener('abort', end, { once: true });
    const [code] = (await once(child, 'close')) as [number | null];
    const tap = readFileSync(tapFile, { encoding: 'utf8', flag: 'a+' });
    const { passed, failed, skipped } = summary(tap);
    if (code !== 0 && reporter.length > 0) process.stdout.write(failuresOf(tap));
    closing = `${passed} passed, ${code === 0 ? failed : Math.max(failed, 1)} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
    return code ?? 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};

let closing = '0 passed, 1 failed';
if (unit || card) {
  process.exitCode = await runTap({}, new AbortController().signal);
} else {
  await withServices(async (services, signal) => {
    const code = await runTap(services.env, signal);
    if (!inCi || services.failures.size === 0) return code;
    say(`CI needs every service, and there is no ${[...services.failures.keys()].join(', ')}`);
    return code || 1;
  });
}
// On a line of its own: tap leaves the cursor wherever its last escape sequence put it.
console.log(`\n${closing}`);
