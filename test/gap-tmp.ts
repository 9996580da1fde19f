import { isSettled, Load } from './perf/load.ts';
const load = await Load.open();
const queue = await load.queue();
const runner = await load.runner(2);
const warm = runner.next(isSettled, 20);
for (let i = 0; i < 20; i++) await load.publish(queue, 'nothing.py');
await warm;
await load.workspace('second.py');
const n = (runner as any).events.length;
const done = runner.next(isSettled, 12, 300_000);
for (let i = 0; i < 12; i++) await load.publish(queue, 'second.py');
await done;
const evs = (runner as any).events.slice(n);
const t0 = Date.parse(evs[0].time);
const ids: string[] = [];
for (const e of evs) { const id = e.attempt ?? ''; if (id && !ids.includes(id)) ids.push(id); console.log(String(Date.parse(e.time) - t0).padStart(6), ' '.repeat(2 * ids.indexOf(id)) + ids.indexOf(id), e.event, e.durationMs ?? e.waitedMs ?? ''); }
await load.close();
