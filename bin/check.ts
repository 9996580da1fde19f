import { columns, hasColors } from './terminal.ts';
import { messageOf, OptionsError } from '../lib/errors.ts';
import { loadOptions } from '../lib/config/load.ts';
import type { Options } from '../lib/config/options.ts';
import { orAborted } from '../lib/flow/wait.ts';
import type { Check, Finding } from './checks/check.ts';
import { reportFinding } from './checks/report.ts';
import { redactorOf } from './configured.ts';

/** On a machine that experiments keep busy, a program may take seconds to start. */
const limitMs = 20_000;

/** What one check found; that it takes too long or throws is a failure. */
export const runCheck = async (check: Check, options: Options, timeoutMs = limitMs): Promise<Finding> => {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    return await orAborted(check.run(options, signal), signal);
  } catch (error) {
    if (!signal.aborted) return { status: 'failure', found: messageOf(error) };
    return { status: 'failure', found: `no answer within ${String(timeoutMs / 1000)} s` };
  }
};

/**
 * Look at everything the runner needs, print a line for each thing.
 * Exit code: 0 nothing failed, 1 something did, 2 options can not be used.
 */
export const check = async (argv: readonly string[]): Promise<number> => {
  const json = argv.includes('--json');
  const report = reportFinding({ json, colours: hasColors(), columns: columns() });
  const print = (name: string, finding: Finding) => process.stdout.write(`${report(name, finding)}\n`);
  let options: Options;
  try {
    options = loadOptions(
      argv.filter(word => word !== '--json'),
      process.env,
    );
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    for (const found of error.faults) print('options', { status: 'failure', found });
    return 2;
  }
  print('options', { status: 'ok', found: 'all can be used' });
  const [{ machineChecks }, { gpuCheck }, { containerCheck }, { keyChecks }, { s3Check }, { queueChecks }, ...others] =
    await Promise.all([
      import('./checks/machine.ts'),
      import('./checks/gpus.ts'),
      import('./checks/containers.ts'),
      import('./checks/keys.ts'),
      import('./checks/s3.ts'),
      import('./checks/queues.ts'),
      import('./checks/store.ts').then(({ storeCheck }) => storeCheck),
      import('./checks/clock.ts').then(({ clockCheck }) => clockCheck),
    ]);
  const { redact } = redactorOf(options);
  let failed = false;
  // All at once, told in order.
  const running = [
    ...machineChecks,
    gpuCheck,
    containerCheck,
    ...keyChecks,
    s3Check,
    ...queueChecks(options),
    ...others,
  ].map(check => [check.name, runCheck(check, options)] as const);
  for (const [name, finding] of running) {
    const found = await finding;
    failed ||= found.status === 'failure';
    print(name, { ...found, found: redact(found.found) });
  }
  return failed ? 1 : 0;
};
