import { execFile } from 'node:child_process';

const runner = new URL('../../bin/runner', import.meta.url).pathname;

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  /** What it printed so far. */
  readonly stdout: () => string;
  readonly ended: Promise<Ended>;
}

/** `bin/runner` with these words. Beside PATH and HOME nothing of the caller's environment is passed on. */
export const startCommand = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Started => {
  const inherited = { PATH: process.env['PATH'], HOME: process.env['HOME'] };
  const settings = { env: { ...inherited, ...env }, timeout: 120_000, maxBuffer: 64 * 1024 * 1024 };
  let printed = '';
  const ended = new Promise<Ended>(resolve => {
    const child = execFile(runner, args, settings, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
    });
    child.stdout?.on('data', (text: string) => {
      printed += text;
    });
  });
  return { stdout: () => printed, ended };
};

/** The same, to its end. */
export const runCommand = (args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended> =>
  startCommand(args, env).ended;

/** The JSON objects that a command printed, one a line. */
export const jsonLines = <T>({ stdout }: Ended): T[] =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as T);
