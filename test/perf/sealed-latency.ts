import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { layOutCerts } from '../helpers/certs.ts';
import { createSender } from '../helpers/sealed.ts';
import type { Bench } from './bench.ts';
import { isSettled, Load, percentile } from './load.ts';
import { rawDecryptsPerSecond } from './openssl.ts';
import { now, stamps } from './stamps.ts';

const times = 100;
const warmUp = 10;
const kinds = ['clear', 'sealed'] as const;

/** What sealing adds to the time from publishing to the first line of an experiment, over the one RSA step that it needs. */
export const bench: Bench = {
  name: 'sealed-latency',
  async run() {
    const load = await Load.open();
    try {
      const file = join(load.directory, 'stamps');
      await rm(file, { force: true });
      const queues = { clear: await load.queue(), sealed: await load.queue() };
      const sender = createSender();
      const certs = layOutCerts(join(load.directory, 'certs'));
      const signing = join(certs, 'queues/signing');
      await rm(join(signing, 'rmq_'));
      await writeFile(join(signing, queues.sealed), sender.line);
      const runner = await load.runner(2, { CERTS_DIR: certs });
      const stepBeforeMs = 1000 / (await rawDecryptsPerSecond(1));
      const publishedAt = new Map<string, number>();
      // In turn, so that both see the same machine.
      for (let i = -warmUp; i < times; i++) {
        for (const kind of kinds) {
          const id = `${kind}${String(i)}`;
          const { request } = await load.request('stamp.py', { env: { BENCH_STAMPS: file, BENCH_ID: id } });
          const body = kind === 'clear' ? JSON.stringify(request) : await sender.message(request);
          const settled = runner.next(isSettled);
          publishedAt.set(id, now());
          await load.send(queues[kind], body);
          await settled;
        }
      }
      const stamped = await stamps(file);
      const p50 = (kind: (typeof kinds)[number]) =>
        percentile(
          Array.from({ length: times }, (_, i) => {
            const id = `${kind}${String(i)}`;
            return (stamped.get(id) ?? NaN) - (publishedAt.get(id) ?? NaN);
          }),
          50,
        );
      const stepMs = (stepBeforeMs + 1000 / (await rawDecryptsPerSecond(1))) / 2;
      const [clear, sealed] = [p50('clear'), p50('sealed')];
      const ratio = (sealed - clear) / stepMs;
      return [
        {
          name: 'p50 sealed less p50 clear / one raw decrypt',
          measured: ratio,
          unit: '',
          reach: '<= 1.5',
          ok: ratio <= 1.5,
          detail: `sealed ${sealed.toFixed(1)} ms, clear ${clear.toFixed(1)} ms, one decrypt ${stepMs.toFixed(2)} ms`,
        },
      ];
    } finally {
      await load.close();
    }
  },
};
