import { closeSync, constants as files, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { sleep } from '../flow/wait.ts';
import { spawn } from '../resources/child-process.ts';
import { statusOf } from '../resources/process-status.ts';
import { minorOf, type Interpreter } from './interpreters.ts';
import { startedBy, type Ended, type Shell } from './shells.ts';
import { signalOf } from './signal-of.ts';

/** A small process that starts shells: to fork this one takes ten times as long, and holds up the event loop. */
export interface ForkServer {
  /** Whether it can start shells. */
  readonly isRunning: boolean;
  /**
   * Start a shell, with an empty environment.
   * Errors: what the fork server or the file system says; afterwards it is of no use where shells of it can't be reached.
   */
  start(): Promise<Shell>;
}

const endedBy = (code: number): Ended =>
  code < 0 ? { code: null, signal: signalOf(-code) ?? null } : { code, signal: null };

const unknownEnd: Ended = { code: null, signal: null };
const lookEveryMs = 100;

/** Nobody can tell how a process ended whose parent is gone; that it has, /proc tells. */
const untilGone = async (pid: number): Promise<void> => {
  const started = statusOf(pid)?.started;
  while (started !== undefined && statusOf(pid)?.started === started) await sleep(lookEveryMs);
};

/** Where an interpreter can be a fork server (os.posix_spawn came with 3.8), its path. */
export const forksWith = (python: Interpreter): string | undefined => (minorOf(python) >= 8 ? python.path : undefined);

/**
 * Start a fork server.
 * @param python of version 3.8 or newer; nothing of its packages is used
 */
export const createForkServer = (python: string, now: () => number): ForkServer => {
  const program = join(import.meta.dirname, 'fork-server.py');
  const server = spawn(python, ['-I', '-S', program], {
    cwd: '/',
    env: {},
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const { pid: parent, stdin, stdout } = server;
  if (parent === undefined) {
    // It may lack its streams as well.
    const { failed } = startedBy(server);
    return { isRunning: false, start: async () => Promise.reject(await failed) };
  }
  let isRunning = true;
  const asked: PromiseWithResolvers<Shell>[] = [];
  /** Shells that live, and who is told of their end. */
  const known = new Map<number, (how: Ended) => void>();
  /** What this process waits for: shells that are asked for, and the ends of those that it uses. */
  const held = new Set<unknown>();

  const hold = (what: unknown, isHeld: boolean): void => {
    if (isHeld) held.add(what);
    else held.delete(what);
    const how = held.size > 0 ? 'ref' : 'unref';
    server[how]();
    for (const stream of [stdin, stdout]) (stream as Socket)[how]();
  };
  const end = (pid: number, how: Ended): void => {
    hold(pid, false);
    known.get(pid)?.(how);
    known.delete(pid);
  };
  /** Who asked first. */
  const answered = (): PromiseWithResolvers<Shell> | undefined => {
    const one = asked.shift();
    hold(one, false);
    return one;
  };
  const stop = (why: Error): void => {
    if (!isRunning) return;
    isRunning = false;
    stdin.destroy();
    for (let one = answered(); one; one = answered()) one.reject(why);
    for (const pid of known.keys()) void untilGone(pid).then(() => end(pid, unknownEnd));
  };

  /** Our end of a pipe: the other one is the shell's, and the server lets go of its own when we say that we have it. */
  const open = (descriptor: number, flags: number): number =>
    openSync(`/proc/${String(parent)}/fd/${String(descriptor)}`, flags | files.O_NONBLOCK);

  const shellOf = (pid: number, [ofStdin = -1, ofStdout = -1, ofStderr = -1]: readonly number[]): Shell => {
    const opened: number[] = [];
    try {
      opened.push(open(ofStdin, files.O_WRONLY), open(ofStdout, files.O_RDONLY), open(ofStderr, files.O_RDONLY));
    } catch (error) {
      for (const one of opened) closeSync(one);
      throw error;
    }
    const [input, output, errors] = opened;
    const streams = {
      stdin: new Socket({ fd: input as number, readable: false, writable: true }),
      stdout: new Socket({ fd: output as number, readable: true, writable: false }),
      stderr: new Socket({ fd: errors as number, readable: true, writable: false }),
    };
    streams.stdin.on('error', () => undefined);
    const ended = Promise.withResolvers<Ended>();
    const shell: Shell = {
      ...streams,
      pid,
      parent,
      startedAtMs: now(),
      failed: new Promise(() => undefined),
      ended: ended.promise,
      get isAlive() {
        return known.has(pid);
      },
      hold: isHeld => {
        if (known.has(pid)) hold(pid, isHeld);
        for (const stream of Object.values(streams)) stream[isHeld ? 'ref' : 'unref']();
      },
    };
    known.set(pid, ended.resolve);
    shell.hold(false);
    return shell;
  };

  const started = (pid: number, descriptors: readonly number[]): void => {
    const one = answered();
    try {
      const shell = shellOf(pid, descriptors);
      stdin.write(`taken ${String(pid)}\n`);
      one?.resolve(shell);
    } catch (error) {
      one?.reject(error);
      stop(error as Error);
    }
  };
  createInterface({ input: stdout }).on('line', line => {
    const [word, ...rest] = line.split(' ');
    const [pid = 0, ...numbers] = rest.map(Number);
    if (word === 'started') started(pid, numbers);
    else if (word === 'ended') end(pid, endedBy(numbers[0] ?? 0));
    else answered()?.reject(new Error(rest.join(' ')));
  });
  stdin.on('error', () => undefined);
  server.on('error', stop);
  server.once('exit', () => {
    stop(new Error('the fork server has ended'));
  });
  hold(undefined, false);

  return {
    get isRunning() {
      return isRunning;
    },
    start: () => {
      const one = Promise.withResolvers<Shell>();
      if (isRunning) {
        asked.push(one);
        hold(one, true);
        stdin.write('start\n');
      } else {
        one.reject(new Error('the fork server has ended'));
      }
      return one.promise;
    },
  };
};
