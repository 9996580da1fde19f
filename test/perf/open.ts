import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { readClusterKey } from '../../lib/crypto/cluster-key.ts';
import { openPayload } from '../../lib/crypto/open-envelope.ts';
import { verifyEnvelope } from '../../lib/crypto/signature.ts';
import { readMessage } from '../../lib/request/envelope.ts';
import { fixture } from '../helpers/recorded.ts';
import { createSender } from '../helpers/sealed.ts';
import type { Bench } from './bench.ts';
import { percentile } from './load.ts';
import { rawDecryptsPerSecond } from './openssl.ts';

const count = 500;
/** As many at once as a runner may hold unopened: its credits. */
const atOnce = 8;
const cores = 2;
const roundCount = 5;

/** The 99th percentile of the event loop's delay while `work` goes on, beyond the timer's own millisecond, ms. */
const delayP99 = async (work: () => Promise<unknown>): Promise<number> => {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  await work();
  histogram.disable();
  return histogram.percentile(99) / 1e6;
};

/** What verifying and opening costs beside the RSA step that it can't do without, and whether it holds up anything else. */
export const bench: Bench = {
  name: 'open',
  async run() {
    const key = readClusterKey(fixture('keys/ssh-privatekey'), fixture('keys/ssh-passphrase'));
    const sender = createSender();
    const request = JSON.parse(fixture('messages/rmq_clear.json').toString()) as unknown;
    const bodies: Buffer[] = [];
    for (let i = 0; i < count; i++) bodies.push(Buffer.from(await sender.message(request)));
    const openOne = async (body: Buffer) => {
      const message = readMessage(body);
      if (message.type !== 'envelope') throw new Error('not an envelope');
      await verifyEnvelope(message.envelope, sender.key);
      readMessage(await openPayload(message.envelope.payload, [key]));
    };
    const openAll = async () => {
      const waiting = bodies.values();
      const lane = async () => {
        for (const body of waiting) await openOne(body);
      };
      await Promise.all(Array.from({ length: atOnce }, lane));
    };
    for (const body of bodies.slice(0, 20)) await openOne(body);
    // In turn, so that both see the same machine.
    const rounds: { raw: number; perSecond: number; idle: number; busy: number }[] = [];
    for (let round = 0; round < roundCount; round++) {
      const raw = await rawDecryptsPerSecond(cores, 2);
      const idle = await delayP99(() => delay(2000));
      const startedAt = performance.now();
      const busy = await delayP99(openAll);
      rounds.push({ raw, idle, busy, perSecond: count / ((performance.now() - startedAt) / 1000) });
    }
    const middle = (what: 'raw' | 'perSecond' | 'idle' | 'busy') =>
      percentile(
        rounds.map(one => one[what]),
        50,
      );
    const [raw, perSecond, idle, busy] = [middle('raw'), middle('perSecond'), middle('idle'), middle('busy')];
    const ratio = perSecond / raw;
    const stepMs = (1000 / raw) * cores;
    const held = (busy - idle) / stepMs;
    return [
      {
        name: 'opened and verified a second / raw private decrypts on 2 cores',
        measured: ratio,
        unit: '',
        reach: '>= 0.7',
        ok: ratio >= 0.7,
        detail: `ours ${perSecond.toFixed(0)}/s, raw ${raw.toFixed(0)}/s`,
      },
      {
        name: 'event-loop delay p99 while opening beyond the idle one / one raw decrypt',
        measured: held,
        unit: '',
        reach: '<= 1',
        ok: held <= 1,
        detail: `${busy.toFixed(2)} ms, idle ${idle.toFixed(2)} ms, one decrypt ${stepMs.toFixed(2)} ms`,
      },
    ];
  },
};
