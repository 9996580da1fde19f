import type { ResourceRequest } from '../../model/resources.ts';

/** A card, or a MIG instance, as far as choosing goes. */
export interface Choice {
  readonly uuid: string;
  readonly slots: number;
  readonly memoryBytes: number;
  /** Whether it is a MIG instance: a CUDA process sees one of them, never two. */
  readonly isInstance: boolean;
}

type Wanted = Pick<ResourceRequest, 'gpus' | 'gpuMemoryBytes' | 'gpuCount'>;

const smallestFirst = (a: Choice, b: Choice): number => a.slots - b.slots || a.memoryBytes - b.memoryBytes;

/** Of so many cards that add up to enough, those with the fewest slots in all. Cards come smallest first. */
const tightest = (cards: readonly Choice[], count: number, slots: number): readonly Choice[] | undefined => {
  let best: { readonly sum: number; readonly chosen: readonly Choice[] } | undefined;
  const add = (from: number, chosen: readonly Choice[], sum: number): void => {
    if (best && sum >= best.sum) return;
    if (chosen.length === count) {
      if (sum >= slots) best = { sum, chosen };
      return;
    }
    for (const [offset, card] of cards.slice(from).entries()) {
      // Cards that are alike need no second try.
      if (offset > 0 && cards[from + offset - 1]?.slots === card.slots) continue;
      add(from + offset + 1, [...chosen, card], sum + card.slots);
    }
  };
  add(0, [], 0);
  return best?.chosen;
};

/**
 * The smallest free cards that do what is asked: `gpuCount` of them (one, where it says nothing) with `gpus` slots and `gpuMemoryBytes`
 * each. Where no card of the machine has so many slots, as few cards as add up to them, no more than `gpuCount`. MIG instances are
 * never added up, nor given more than one at a time.
 * Out: undefined where there are none.
 * Source: spec "Resources".
 */
export const chooseCards = (
  { gpus, gpuMemoryBytes, gpuCount }: Wanted,
  all: readonly Choice[],
  free: readonly Choice[],
): readonly Choice[] | undefined => {
  if (gpus === 0) return [];
  const count = Math.max(1, gpuCount ?? 1);
  const isLargeEnough = (card: Choice) => card.slots >= gpus && card.memoryBytes >= gpuMemoryBytes;
  const isCandidate = (card: Choice) => count === 1 || !card.isInstance;
  const enough = free.filter(card => isLargeEnough(card) && isCandidate(card)).sort(smallestFirst);
  if (enough.length >= count) return enough.slice(0, count);
  if (all.some(card => card.slots >= gpus)) return undefined;
  const parts = free.filter(card => !card.isInstance && card.memoryBytes >= gpuMemoryBytes).sort(smallestFirst);
  for (let some = 2; some <= Math.min(gpuCount ?? Infinity, parts.length); some += 1) {
    const chosen = tightest(parts, some, gpus);
    if (chosen) return chosen;
  }
  return undefined;
};
