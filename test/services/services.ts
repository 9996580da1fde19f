import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { once } from 'node:events';
import { shortTemporary } from '../helpers/short-temporary.ts';

const here = import.meta.dirname;

/** The scripts beside this file, and the variables that each gives to the tests. */
const services: Readonly<Record<string, readonly string[]>> = {
  rabbitmq: ['TEST_AMQP_URL', 'TEST_AMQP_MGT_URL'],
  s3: ['TEST_S3_URL', 'TEST_S3_TLS_URL', 'TEST_S3_TLS_FILES'],
  gcs: ['TEST_GCS_URL'],
  s5cmd: ['TEST_S5CMD'],
  sqs: ['TEST_SQS_URL', 'TEST_SQS_PAGES_URL'],
  pubsub: ['TEST_PUBSUB_HOST'],
  uv: ['TEST_UV'],
  client: ['TEST_CLIENT_PYTHON'],
  collectors: ['TEST_OTELCOL', 'TEST_RSYSLOG'],
  prometheus: ['TEST_PROMETHEUS', 'TEST_PROMTOOL'],
  deploy: ['TEST_HELM', 'TEST_KUBECTL', 'TEST_HADOLINT'],
  docker: ['TEST_DOCKER_HOST', 'TEST_REGISTRY', 'TEST_REGISTRY_PRIVATE', 'TEST_IMAGE_TAR'],
};

export interface StartedServices {
  /** What the tests find in their environment: `TEST_*`, and `TEST_*_MISSING` with the reason for what could not be started. */
  readonly env: Readonly<Record<string, string>>;
  /** The services that could not be started, with the reason. */
  readonly failures: ReadonlyMap<string, string>;
  /** Stops what was started here. May be called more than once. */
  stop(): Promise<void>;
}

/** Start the services of the tests side by side, installing what is missing.
 *  In: `signal` ends a start that is under way; `say` gets a line per step. A service whose variables are all set in this
 *  process's environment already is used as it is, neither started nor stopped.
 *  Out: what runs. A service that does not start is a failure in the result, not an error. */
export const startServices = async (signal: AbortSignal, say: (line: string) => void): Promise<StartedServices> => {
  await stopAbandoned(say);
  const directory = claimDirectory();
  const env: Record<string, string> = {};
  const failures = new Map<string, string>();
  const started: string[] = [];
  const startOne = async (name: string, variables: readonly string[]): Promise<void> => {
    if (variables.every(variable => process.env[variable])) {
      say(`${name}: as the environment says`);
      return;
    }
    started.push(name);
    const sinceMs = Date.now();
    say(`${name}: starting`);
    const { output, problem } = await runScript(name, 'start', directory, signal);
    if (problem !== undefined) {
      failures.set(name, problem);
      for (const variable of variables) env[`${variable}_MISSING`] = `${name}: ${problem}`;
      say(`${name}: not available: ${problem}`);
      return;
    }
    for (const [, variable = '', value = ''] of output.matchAll(/^(TEST_\w+)=(.*)$/gm)) env[variable] = value;
    say(`${name}: ready after ${((Date.now() - sinceMs) / 1000).toFixed(1)} s`);
  };
  await Promise.all(Object.entries(services).map(([name, variables]) => startOne(name, variables)));
  let stopped: Promise<void> | undefined;
  return { env, failures, stop: () => (stopped ??= stopAll(started, directory, say)) };
};

const stopAll = async (names: readonly string[], directory: string, say: (line: string) => void): Promise<void> => {
  const results = await Promise.all(names.map(name => runScript(name, 'stop', directory)));
  const problems = results.flatMap(({ problem }, index) =>
    problem === undefined ? [] : [`${names[index]}: ${problem}`],
  );
  if (problems.length > 0) say(`could not stop all; see ${directory}: ${problems.join('; ')}`);
  else rmSync(directory, { recursive: true, force: true });
};

/** Run one action of one script; its lines for people go to stderr as they come. A signal ends its whole process group. */
const runScript = async (
  name: string,
  action: 'start' | 'stop',
  directory: string,
  signal?: AbortSignal,
): Promise<{ output: string; problem?: string }> => {
  if (signal?.aborted) return { output: '', problem: 'interrupted' };
  const child = spawn('bash', [path.join(here, `${name}.sh`), action], {
    env: { ...process.env, RUNNER_TEST_DIR: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const interrupt = (): void => killGroup(child, 'SIGTERM');
  signal?.addEventListener('abort', interrupt, { once: true });
  let lastLine = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    process.stderr.write(chunk);
    lastLine = chunk.trimEnd().split('\n').at(-1) ?? lastLine;
  });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close') as Promise<[number | null]>]);
  signal?.removeEventListener('abort', interrupt);
  if (code === 0) return { output };
  return { output, problem: signal?.aborted ? 'interrupted' : lastLine || `${name}.sh ${action} exited with ${code}` };
};

/** Signal the process group that a detached child leads; one that has ended already is fine. */
export const killGroup = (child: ChildProcess, signal: NodeJS.Signals): void => {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
};

// A run that was killed could not stop its services. Its directory names its owner, so that the next run does it.
const prefix = `runner-test-${process.getuid?.() ?? 0}-`;

const claimDirectory = (): string => {
  const directory = mkdtempSync(path.join(shortTemporary, prefix));
  writeFileSync(path.join(directory, 'owner'), `${process.pid} ${startTime(process.pid)}`);
  return directory;
};

const stopAbandoned = async (say: (line: string) => void): Promise<void> => {
  for (const name of readdirSync(shortTemporary).filter(entry => entry.startsWith(prefix))) {
    const directory = path.join(shortTemporary, name);
    const [pid, since] = (read(path.join(directory, 'owner')) ?? '').split(' ');
    if (pid === undefined || since === undefined || startTime(Number(pid)) === since) continue;
    say(`stopping what an earlier run left in ${directory}`);
    await stopAll(Object.keys(services), directory, say);
  }
};

/** A process's start time in clock ticks (field 22 of /proc/PID/stat, proc(5)); undefined when there is none. */
const startTime = (pid: number): string | undefined =>
  read(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, '')
    .split(' ')[19];

const read = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
};
