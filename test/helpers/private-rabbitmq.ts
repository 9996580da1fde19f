import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { needService } from './services.ts';

const script = join(import.meta.dirname, '../services/rabbitmq.sh');
const run = promisify(execFile);

/** A RabbitMQ node that one test file has for itself: it may be taken down, killed and filled up. */
export interface PrivateRabbitmq {
  readonly url: string;
  readonly managementUrl: string;
  /** Down in order, its messages on disk. */
  halt(): Promise<void>;
  /** SIGKILL to the node. */
  kill(): Promise<void>;
  /** Up again after `halt` or `kill`, at the same address. */
  start(): Promise<void>;
  /** rabbitmqctl. */
  ctl(...args: readonly string[]): Promise<void>;
  /** Commands of a shell, in which rabbitmqctl is that of this node. Errors: the first that fails, with what it said. */
  shell(commands: string): Promise<void>;
}

/**
 * Start a node of its own; it is stopped, and what it wrote removed, at the end of `t`. Undefined where there is no RabbitMQ at
 * all: the test is skipped, or fails in CI.
 * @param consumerTimeoutMs how long the broker waits for an acknowledgement; looked at once a second
 */
export const startRabbitmq = async (t: Test, consumerTimeoutMs = 60_000): Promise<PrivateRabbitmq | undefined> => {
  if (needService(t, 'TEST_AMQP_URL') === undefined) return undefined;
  const directory = mkdtempSync(join(tmpdir().length <= 20 ? tmpdir() : '/tmp', 'runner-rmq-'));
  const env = { ...process.env, RUNNER_TEST_DIR: directory, TEST_AMQP_CONSUMER_TIMEOUT_MS: String(consumerTimeoutMs) };
  const act = async (...args: readonly string[]) => (await run('bash', [script, ...args], { env })).stdout;
  t.teardown(async () => {
    await act('stop');
    rmSync(directory, { recursive: true, force: true });
  });
  const said = await act('start');
  const valueOf = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(said)?.[1] ?? '';
  const managementUrl = new URL(valueOf('TEST_AMQP_MGT_URL'));
  managementUrl.username = 'guest';
  managementUrl.password = 'guest';
  return {
    url: valueOf('TEST_AMQP_URL'),
    managementUrl: managementUrl.href,
    halt: async () => {
      await act('halt');
    },
    kill: async () => {
      const [pid = ''] = readFileSync(join(directory, 'rabbitmq.pid'), 'utf8').split(' ');
      process.kill(-Number(pid), 'SIGKILL');
    },
    start: async () => {
      await act('start');
    },
    ctl: async (...args) => {
      await act('ctl', ...args);
    },
    shell: async commands => {
      const words = `rabbitmqctl() { bash "$0" ctl "$@"; }\n${commands}`;
      await run('sh', ['-ec', words, script], { env });
    },
  };
};
