import { generateKeyPairSync } from 'node:crypto';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EventLine } from '../helpers/runner-process.ts';
import type { Bench } from './bench.ts';
import { Load, percentile } from './load.ts';

const rounds = 5;

/**
 * The same chatty experiments from one queue whose responses nobody can take (a client holds the lock of the response directory
 * all the time) and from one without responses, in turn on one runner: how long they ran.
 */
export const bench: Bench = {
  name: 'stuck-reports',
  async run() {
    const load = await Load.open();
    try {
      const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 4096 });
      const keys = join(load.directory, 'keys');
      const root = join(load.directory, 'queues');
      const [stuck, plain] = ['local_stuck', 'local_plain'] as const;
      for (const name of [stuck, plain, `${stuck}_response`]) await mkdir(join(root, name), { recursive: true });
      await mkdir(keys);
      await writeFile(join(keys, 'local_'), publicKey.export({ type: 'pkcs1', format: 'pem' }));
      // A lock that is held for long is passed over: one that is from the future never counts as old.
      const lock = join(root, `${stuck}_response`, 'lock.lock');
      await writeFile(lock, '');
      const future = new Date(Date.now() + 3_600_000);
      await utimes(lock, future, future);
      await load.queue();
      const runner = await load.runner(1, {
        QUEUE_ROOT: root,
        QUEUE_MATCH: '^(rmq_bench|local)_',
        RESPONSE_SIGNATURES_DIR: keys,
      });
      const cpu: Record<string, number> = { [stuck]: 0, [plain]: 0 };
      const runMs = async (queue: string): Promise<number> => {
        const ended = runner.next((event: EventLine) => event.event === 'ended' && event.queue === queue);
        const before = runner.cpuSeconds;
        await load.put(join(root, queue), 'chatty.py');
        const [event] = await ended;
        cpu[queue] = (cpu[queue] ?? 0) + runner.cpuSeconds - before;
        if (event?.['cause'] !== 'completed') throw new Error(`it did not run: ${JSON.stringify(event)}`);
        return Number(event['durationMs']);
      };
      const times: Record<string, number[]> = { [stuck]: [], [plain]: [] };
      await runMs(plain);
      cpu[plain] = 0;
      for (let round = 0; round < rounds; round++)
        for (const name of [stuck, plain]) times[name]?.push(await runMs(name));
      const [withStuck, without] = [percentile(times[stuck] ?? [], 50), percentile(times[plain] ?? [], 50)];
      const ratio = withStuck / without;
      const used = `CPU of the runner ${(cpu[stuck] ?? 0).toFixed(2)} s and ${(cpu[plain] ?? 0).toFixed(2)} s`;
      const detail = `stuck ${withStuck.toFixed(0)} ms, without ${without.toFixed(0)} ms; ${used}`;
      return [
        {
          name: 'run time, response queue stuck / none',
          measured: ratio,
          unit: '',
          reach: '<= 1.02',
          ok: ratio <= 1.02,
          detail,
        },
      ];
    } finally {
      await load.close();
    }
  },
};
