import type { Bench } from './bench.ts';
import { isSettled, Load } from './load.ts';
import { withUser } from '../helpers/rabbitmq-user.ts';

const count = 100;
const slots = 2;

/** Wall time of `count` no-op experiments, ms, and the runner's CPU time for them, s. */
const measure = async (load: Load, env: Readonly<Record<string, string>>) => {
  const queue = await load.queue();
  const runner = await load.runner(slots, { ...env, QUEUE_MATCH: `^${queue}$` }, 1);
  const warm = runner.next(isSettled, 10);
  for (let i = 0; i < 10; i++) await load.publish(queue, 'nothing.py');
  await warm;
  const done = runner.next(isSettled, count, 300_000);
  const [startedAt, cpuBefore] = [performance.now(), runner.cpuSeconds];
  for (let i = 0; i < count; i++) await load.publish(queue, 'nothing.py');
  await done;
  const wallMs = performance.now() - startedAt;
  const cpuSeconds = runner.cpuSeconds - cpuBefore;
  const isLeased = !runner.events.some(({ event }) => event === 'lease-unavailable');
  await runner.stop();
  return { wallMs, cpuSeconds, isLeased };
};

/**
 * No-op throughput with leases over that without: of a user who may not declare queues, for whom messages are held on their
 * channel. In turns, the best of three each.
 */
export const bench: Bench = {
  name: 'lease-cost',
  async run() {
    const load = await Load.open();
    try {
      return await withUser(load.amqpUrl, load.managementUrl, async plainUrl => {
        const leased: Awaited<ReturnType<typeof measure>>[] = [];
        const plain: Awaited<ReturnType<typeof measure>>[] = [];
        for (let round = 0; round < 3; round++) {
          leased.push(await measure(load, {}));
          plain.push(await measure(load, { AMQP_URL: plainUrl, AMQP_MGT_URL: load.managementUrl }));
        }
        if (!leased.every(({ isLeased }) => isLeased) || plain.some(({ isLeased }) => isLeased)) {
          throw new Error('the runs were not with and without leases');
        }
        const best = (runs: typeof leased, field: 'wallMs' | 'cpuSeconds') => Math.min(...runs.map(run => run[field]));
        const ratio = best(plain, 'wallMs') / best(leased, 'wallMs');
        const cpu = best(leased, 'cpuSeconds') / best(plain, 'cpuSeconds');
        return [
          {
            name: 'lease cost: no-op throughput with leases / without',
            measured: ratio,
            unit: '',
            reach: '>= 0.9',
            ok: ratio >= 0.9,
            detail: `${best(leased, 'wallMs').toFixed(0)} ms, ${best(plain, 'wallMs').toFixed(0)} ms; CPU of the runner x ${cpu.toFixed(2)}`,
          },
        ];
      });
    } finally {
      await load.close();
    }
  },
};
