import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { findInterpreters, chooseInterpreter } from '../../lib/executors/interpreters.ts';

/** The interpreter that the runner would choose. */
export const barePython = async (): Promise<string> => chooseInterpreter(await findInterpreters(), '3').path;

/** Run a program with nothing around it; resolves when it has ended. */
export const runBare = async (
  python: string,
  program: string,
  env: Readonly<Record<string, string>> = {},
): Promise<void> => {
  const child = spawn(python, [program], { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...env } });
  await once(child, 'exit');
};

/** Run the same program `count` times, `slots` at a time; wall time in ms. */
export const bareLoop = async (python: string, program: string, count: number, slots: number): Promise<number> => {
  const startedAt = performance.now();
  let left = count;
  const worker = async () => {
    while (left-- > 0) await runBare(python, program);
  };
  await Promise.all(Array.from({ length: slots }, worker));
  return performance.now() - startedAt;
};
