import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Subject, filter, firstValueFrom, timeout, take, toArray, type Observable } from 'rxjs';
import { textOf } from '../../lib/resources/cgroups/files.ts';

const root = new URL('../../', import.meta.url).pathname;

/** One event line of a runner. */
export interface EventLine {
  readonly event: string;
  readonly queue?: string;
  readonly experiment?: string;
  readonly [field: string]: unknown;
}

/** `bin/runner` as its users start it, and what it tells on stdout. */
export class RunnerProcess {
  readonly events: EventLine[] = [];
  readonly #child: ChildProcess;
  readonly #events = new Subject<EventLine>();
  #errors = '';

  /** @param env beside PATH and HOME nothing of the caller's environment is passed on */
  constructor(env: Readonly<Record<string, string>>, args: readonly string[] = []) {
    this.#child = spawn(`${root}bin/runner`, [...args], {
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: process.env['HOME'] ?? '',
        EVENTS: '-',
        PROM_ADDRESS: '127.0.0.1:0',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { stdout, stderr } = this.#child;
    if (!stdout || !stderr) throw new Error('the runner has no pipes');
    createInterface({ input: stdout }).on('line', line => {
      if (!line.startsWith('{')) return;
      const event = JSON.parse(line) as EventLine;
      this.events.push(event);
      this.#events.next(event);
    });
    stderr.on('data', (chunk: Buffer) => {
      this.#errors += chunk.toString();
    });
    this.#child.once('exit', code => {
      this.#events.error(new Error(`the runner ended [code=${String(code)}]: ${this.#errors}`));
    });
    // Nobody may be waiting when it ends as it should.
    this.#events.subscribe({ error: () => undefined });
  }

  #ownProcesses(): number[] {
    const { pid } = this;
    const children = readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8')
      .trim()
      .split(' ');
    const isForkServer = (child: string): boolean => textOf(`/proc/${child}/cmdline`).includes('fork-server.py');
    return [pid, ...children.filter(isForkServer).map(Number)];
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the runner did not start');
    return this.#child.pid;
  }

  get events$(): Observable<EventLine> {
    return this.#events.asObservable();
  }

  /** The next `count` events that `matches` likes, counted from now. */
  next(matches: (event: EventLine) => boolean, count = 1, timeoutMs = 120_000): Promise<EventLine[]> {
    return firstValueFrom(this.#events.pipe(filter(matches), take(count), toArray(), timeout(timeoutMs)));
  }

  /** Resident memory in bytes, from /proc, its fork server's included. */
  get residentBytes(): number {
    const bytes = (pid: number): number =>
      Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1]) * 1024;
    return this.#ownProcesses().reduce((sum, pid) => sum + bytes(pid), 0);
  }

  /** CPU time used so far, seconds, user and system, its fork server's included; not what it started. */
  get cpuSeconds(): number {
    const seconds = (pid: number): number => {
      const text = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
      const fields = text.slice(text.lastIndexOf(') ') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) / 100;
    };
    return this.#ownProcesses().reduce((sum, pid) => sum + seconds(pid), 0);
  }

  /** What it wrote on stderr so far. */
  get errors(): string {
    return this.#errors;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Its exit code, null where a signal ended it; once it has ended. */
  async exited(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }

  /** SIGTERM, and its exit code. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), 30_000);
    const code = await this.exited();
    clearTimeout(kill);
    return code;
  }
}
