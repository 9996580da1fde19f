import { OptionsError } from '../lib/errors.ts';
import { readKeysArguments } from './keys/arguments.ts';
import { reportKeys } from './keys/report.ts';
import { writeKeys } from './keys/write.ts';

/**
 * Make a set of keys in the layout that the runner reads, and say what each file is for and who gets it.
 * Exit code: 0 they are made, 1 a file can not be written, 2 usage, or a file is there already.
 */
export const keys = async (argv: readonly string[]): Promise<number> => {
  try {
    const wanted = readKeysArguments(argv, process.env);
    const { makeCluster, makeSender, makeResponse } = await import('./keys/make.ts');
    const make = { cluster: makeCluster, sender: makeSender, response: makeResponse }[wanted.kind];
    const made = await make(wanted);
    await writeKeys(made.files);
    process.stdout.write(wanted.json ? `${JSON.stringify(reportKeys.asJson(made))}\n` : reportKeys.asText(made));
    return 0;
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    process.stderr.write(error.faults.map(fault => `runner: ${fault}\n`).join(''));
    return 2;
  }
};
