import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { findExecutable } from '../../lib/resources/find-executable.ts';
import { gpusOf } from '../../pipelines/gpus.ts';
import type { Check } from './check.ts';

const words = ({ event, fields }: RunnerEvent): string => {
  const { gpus, gpu, name, why } = fields;
  if (event === 'gpus-found') return (gpus as readonly string[]).join(', ');
  if (event === 'gpu-unknown') return `the slots of ${String(name)} are derived from its memory`;
  return gpu === undefined ? String(why) : `${String(gpu)}: ${String(why)}`;
};

/** The GPUs that experiments can be granted. A machine without any is as good. */
export const gpuCheck: Check = {
  name: 'GPUs',
  run: async options => {
    const bus = createEventBus();
    const events: RunnerEvent[] = [];
    bus.events$.subscribe(event => events.push(event));
    const cards = await gpusOf(options, bus.emit);
    cards.close();
    const found = events.map(words).join('; ');
    const hasDriver = (await findExecutable('nvidia-smi')) !== undefined;
    if (!hasDriver) return { status: 'ok', found: 'none: there is no nvidia-smi' };
    if (events.every(({ event }) => event === 'gpus-found') && cards.all.length > 0) return { status: 'ok', found };
    return {
      status: 'warning',
      found: found || 'none that CUDA_VISIBLE_DEVICES leaves to the runner',
      expected: 'cards that are free, without errors, and of a known model',
      remedy: 'look at the cards with nvidia-smi -q; see CUDA_VISIBLE_DEVICES and GPU_SLOTS',
    };
  },
};
