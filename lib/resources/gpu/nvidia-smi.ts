import { messageOf } from '../../errors.ts';
import { openEnv } from '../../request/open-env.ts';
import { run } from '../child-process.ts';
import { hasInstances, parseCards, type MeasuredCard } from './parse.ts';

/** A driver that hangs would hold everybody up. */
const limitMs = 20_000;

/** Thrown when: nvidia-smi is there and does not tell of any card. */
export class GpuError extends Error {
  override readonly name = 'GpuError';
}

/** Without the runner's own choice of cards: it would show only those, numbered anew. */
export const smiEnv = (): NodeJS.ProcessEnv => ({ ...openEnv(process.env), CUDA_VISIBLE_DEVICES: undefined });

/** Asks for the cards. Errors: GpuError. */
export type ReadCards = () => Promise<readonly MeasuredCard[]>;

/** @param executable path of nvidia-smi; undefined where there is none, and so no card */
export const createReadCards = (executable: string | undefined, timeout = limitMs): ReadCards => {
  if (executable === undefined) return () => Promise.resolve([]);
  const ask = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await run(executable, args, {
      env: smiEnv(),
      timeout,
      killSignal: 'SIGKILL',
      maxBuffer: 64 * 2 ** 20,
    });
    return stdout;
  };
  return async () => {
    try {
      const xml = await ask('-q', '-x');
      return parseCards(xml, hasInstances(xml) ? await ask('-L') : '');
    } catch (error) {
      const { killed, stdout = '', stderr = '' } = error as { killed?: boolean; stdout?: string; stderr?: string };
      // It says on stdout why it failed.
      const said = `${stdout}\n${stderr}`.trim().split('\n')[0] || messageOf(error);
      const why = killed ? `no answer within ${String(timeout / 1000)} s` : said;
      throw new GpuError(`nvidia-smi tells of no card: ${why}`);
    }
  };
};
