import { messageOf } from '../../errors.ts';
import { inTime, TimeOver } from '../../flow/wait.ts';
import { openEnv } from '../../request/open-env.ts';
import { run, type ChildProcess } from '../child-process.ts';
import { hasInstances, parseCards, type MeasuredCard } from './parse.ts';

/** A driver that hangs would hold everybody up. */
const limitMs = 20_000;

/** Thrown when: nvidia-smi is there and does not tell of any card. */
export class GpuError extends Error {
  override readonly name = 'GpuError';
}

/** Without the runner's own choice of cards: it would show only those, numbered anew. */
export const smiEnv = (): NodeJS.ProcessEnv => ({ ...openEnv(process.env), CUDA_VISIBLE_DEVICES: undefined });

/** Asks for the cards. Errors: GpuError, at the limit at the latest. */
export type ReadCards = () => Promise<readonly MeasuredCard[]>;

/** Who waits for a driver in the kernel doesn't die of SIGKILL: so nothing of it holds the runner any more, whatever becomes of it. */
const abandon = (child: ChildProcess): void => {
  child.kill('SIGKILL');
  child.stdout?.destroy();
  child.stderr?.destroy();
  child.unref();
};
const isAlive = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode === null && signalCode === null;

/**
 * @param executable path of nvidia-smi; undefined where there is none, and so no card
 * @param limit how long an answer is waited for, ms; while one that gave none does not end, no other is started
 */
export const createReadCards = (executable: string | undefined, limit = limitMs): ReadCards => {
  if (executable === undefined) return () => Promise.resolve([]);
  let abandoned: ChildProcess | undefined;
  const ask = async (...args: readonly string[]): Promise<string> => {
    if (abandoned && isAlive(abandoned)) throw new Error('it hangs, and can not be ended');
    const asked = run(executable, args, { env: smiEnv(), maxBuffer: 64 * 2 ** 20 });
    try {
      const { stdout } = await inTime(limit, asked);
      return stdout;
    } catch (error) {
      if (error instanceof TimeOver) {
        abandoned = asked.child;
        abandon(abandoned);
      }
      throw error;
    }
  };
  return async () => {
    try {
      const xml = await ask('-q', '-x');
      return parseCards(xml, hasInstances(xml) ? await ask('-L') : '');
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
      // It says on stdout why it failed.
      const said = `${stdout}\n${stderr}`.trim().split('\n')[0] || messageOf(error);
      const why = error instanceof TimeOver ? `no answer within ${String(limit / 1000)} s` : said;
      throw new GpuError(`nvidia-smi tells of no card: ${why}`);
    }
  };
};
