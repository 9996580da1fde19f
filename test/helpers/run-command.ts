import { execFile } from 'node:child_process';

const runner = new URL('../../bin/runner', import.meta.url).pathname;

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `bin/runner` with these words, to its end. Beside PATH and HOME nothing of the caller's environment is passed on. */
export const runCommand = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  new Promise(resolve => {
    const inherited = { PATH: process.env['PATH'], HOME: process.env['HOME'] };
    const settings = { env: { ...inherited, ...env }, timeout: 120_000, maxBuffer: 64 * 1024 * 1024 };
    execFile(runner, args, settings, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
    });
  });

/** The JSON objects that a command printed, one a line. */
export const jsonLines = <T>({ stdout }: Ended): T[] =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as T);
