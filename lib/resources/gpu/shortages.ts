import type { ResourceRequest, Shortage } from '../../model/resources.ts';
import { chooseCards, type Choice } from './choose.ts';

const most = (values: readonly number[]): number => Math.max(0, ...values);

/** What cards lack for a request, in the one number that says it best; empty where there are cards for it. */
export const cardShortages = (
  request: ResourceRequest,
  all: readonly Choice[],
  free: readonly Choice[],
): readonly Shortage[] => {
  if (chooseCards(request, all, free)) return [];
  const { gpus, gpuMemoryBytes, gpuCount } = request;
  const whole = free.filter(({ isInstance }) => !isInstance).map(({ slots }) => slots);
  const together = whole
    .sort((a, b) => b - a)
    .slice(0, gpuCount ?? whole.length)
    .reduce((sum, slots) => sum + slots, 0);
  const slots = most([together, ...free.map(one => one.slots)]);
  if (slots < gpus) return [{ resource: 'gpus', asked: gpus, available: slots }];
  const memoryBytes = most(free.map(one => one.memoryBytes));
  if (memoryBytes < gpuMemoryBytes) return [{ resource: 'gpu memory', asked: gpuMemoryBytes, available: memoryBytes }];
  const fitting = free.filter(one => one.slots >= gpus && one.memoryBytes >= gpuMemoryBytes);
  const asked = Math.max(1, gpuCount ?? 1);
  return [{ resource: 'gpu cards', asked, available: Math.min(asked - 1, fitting.length) }];
};
