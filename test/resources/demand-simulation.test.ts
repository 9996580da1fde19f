import t from 'tap';
import fc from 'fast-check';
import type { ResourceRequest } from '../../lib/model/resources.ts';
import { Demand } from '../../lib/resources/demand.ts';
import { Ledger } from '../../lib/resources/ledger.ts';
import { asking } from '../helpers/amounts.ts';
import { VirtualTime } from '../helpers/virtual-time.ts';

const total = { cores: 8, memoryBytes: 64, diskBytes: 1000 };
const never = new AbortController().signal;
const holdMs = 1000;
const longestMs = 60_000;
const patienceMs = 60_000;

interface Work {
  readonly request: ResourceRequest;
  readonly runMs: number;
}

interface Simulated {
  readonly longestWaitMs: number;
  readonly started: number;
  /** How often somebody waited for room that was there and not kept for another. */
  readonly wasted: number;
  readonly releases: number;
  readonly endedAtMs: number;
  readonly busyCoreMs: number;
}

/** Queues that are full from the start, served by one runner as pipelines/queue.ts does it: credit, message, grant, next. */
const simulate = async (queues: ReadonlyMap<string, Work[]>): Promise<Simulated> => {
  const time = new VirtualTime();
  const ledger = new Ledger(total);
  const demand = new Demand(ledger, { now: () => time.nowMs });
  const waits = new Map<string, number>();
  const remembered = new Map<string, ResourceRequest>();
  let longestWaitMs = 0;
  let started = 0;
  let wasted = 0;
  let releases = 0;
  let busyCoreMs = 0;

  /** Resolves with whether it was admitted; a message that does not fit within a second goes back. */
  const admit = async (queue: string, { request, runMs }: Work): Promise<boolean> => {
    demand.remember(queue, request);
    remembered.set(queue, request);
    const controller = new AbortController();
    time.after(holdMs, () => {
      controller.abort(new Error('no room'));
    });
    const grant = await demand.grant(queue, request, controller.signal).catch(() => undefined);
    if (!grant) return false;
    started += 1;
    busyCoreMs += grant.amounts.cores * runMs;
    time.after(runMs, () => {
      grant.releaseCompute();
      grant.releaseDisk();
    });
    return true;
  };

  const serve = async (queue: string, work: Work[]): Promise<void> => {
    while (work.length > 0) {
      const sinceMs = time.nowMs;
      waits.set(queue, sinceMs);
      const credit = await demand.acquire(queue, never);
      waits.delete(queue);
      longestWaitMs = Math.max(longestWaitMs, time.nowMs - sinceMs);
      const [first] = work;
      const admitted = first !== undefined && (await admit(queue, first));
      credit.release();
      if (admitted) work.shift();
      else {
        releases += 1;
        await time.sleep(1000);
      }
    }
  };

  const looked = () => {
    if (demand.out > 0) return;
    const { cores, memoryBytes } = ledger.free;
    for (const queue of waits.keys()) {
      const asked = remembered.get(queue) ?? asking();
      const { keptFor } = demand.stateOf(queue);
      const kept = keptFor === undefined || keptFor === queue ? asking({ cores: 0 }) : remembered.get(keptFor);
      if (asked.cores <= cores - (kept?.cores ?? 0) && asked.memoryBytes <= memoryBytes - (kept?.memoryBytes ?? 0))
        wasted += 1;
    }
  };

  const serving = Promise.all([...queues].map(([queue, work]) => serve(queue, work)));
  await time.run(looked);
  await serving;
  return { longestWaitMs, started, wasted, releases, endedAtMs: time.nowMs, busyCoreMs };
};

/** Small requests in eleven queues and requests for the whole machine, or most of it, in the twelfth; every queue mixes a little. */
const mixture = (seed: number, count: number): Map<string, Work[]> => {
  const queues = new Map<string, Work[]>();
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  for (let i = 0; i < count; i++) {
    const number = Math.floor(random() * 12);
    const large = number === 11 ? random() < 0.9 : random() < 0.02;
    const request = asking({
      cores: large ? 6 + Math.floor(random() * 3) : 1 + Math.floor(random() * 2),
      memoryBytes: Math.floor(random() * (large ? 60 : 16)),
    });
    const work = { request, runMs: 1000 + Math.floor(random() * (longestMs - 1000)) };
    const queue = `q${String(number)}`;
    queues.set(queue, [...(queues.get(queue) ?? []), work]);
  }
  return queues;
};

t.test(
  'of 10,000 mixed requests none waits for ever, and no room is idle that is not kept',
  { timeout: 300_000 },
  async t => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 }), async seed => {
        const count = 10_000;
        const queues = mixture(seed, count);
        const simulated = await simulate(queues);
        // Until its turn has come each other queue gets the time of two runs at most; then it is overtaken for as long as patience
        // goes; then those that were overtaken before it go first, each when what runs has ended.
        const boundMs = 3 * queues.size * longestMs + patienceMs;
        t.comment(
          `seed ${String(seed)}: waited ${String(Math.round(simulated.longestWaitMs / 1000))} s at most, of ${String(Math.round(boundMs / 1000))}; ` +
            `${String(simulated.releases)} went back; ${String(Math.round((simulated.busyCoreMs / simulated.endedAtMs / total.cores) * 100))} % of the cores used`,
        );
        return (
          simulated.started === count &&
          simulated.wasted === 0 &&
          simulated.longestWaitMs <= boundMs &&
          simulated.endedAtMs > 5 * boundMs
        );
      }),
      { numRuns: 3 },
    );
  },
);

t.test('a request for the whole machine among endless small ones starts after a bounded wait', async t => {
  const small = (): Work[] =>
    Array.from({ length: 400 }, (_, i) => ({ request: asking(), runMs: 20_000 + (i % 7) * 1000 }));
  const queues = new Map<string, Work[]>([
    ['large', Array.from({ length: 3 }, () => ({ request: asking({ cores: 8 }), runMs: 10_000 }))],
    ...['a', 'b', 'c', 'd'].map(name => [name, small()] as const),
  ]);
  const simulated = await simulate(queues);
  t.equal(simulated.started, 1603);
  t.ok(simulated.longestWaitMs <= patienceMs + 2 * 26_000, `waited ${String(simulated.longestWaitMs)} ms`);
});
