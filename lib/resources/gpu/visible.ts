import type { MeasuredCard } from './parse.ts';

/** Words of container runtimes for every card, and for none. */
const all = new Set([undefined, 'all']);
const none = new Set(['', '-1', 'void', 'none', 'NoDevFiles']);

/** What stays the same of a card when nvidia-smi numbers anew: its UUID, of a MIG instance that of its card. */
const cardOf = ({ uuid, part }: MeasuredCard): string => part?.of ?? uuid;

/** UUIDs of the cards and instances that a word stands for. */
const meantBy = (word: string, cards: readonly MeasuredCard[]): readonly string[] => {
  if (/^\d+$/.test(word)) return cards.filter(({ index }) => index === Number(word)).map(cardOf);
  // A beginning is enough, as long as it is that of a UUID.
  if (word.startsWith('GPU-')) return cards.map(cardOf).filter(uuid => uuid.startsWith(word));
  return word.startsWith('MIG-') ? cards.map(({ uuid }) => uuid).filter(uuid => uuid.startsWith(word)) : [];
};

/** Of all cards of the machine those that are left to the runner. */
export type VisibleCards = (cards: readonly MeasuredCard[]) => readonly MeasuredCard[];

/**
 * The cards that CUDA_VISIBLE_DEVICES leaves to the runner: indexes in nvidia-smi's order, UUIDs or their beginnings, `all`. What comes
 * after a word that stands for no card is not seen, as CUDA has it. A card in MIG mode stands for its instances. What a word stands for
 * is decided by the first look that knows it: when a card falls off the bus the others are numbered anew, and `0,1` would be
 * another runner's.
 * Source: CUDA C++ programming guide, "CUDA environment variables".
 */
export const createVisibleCards = (value: string | undefined): VisibleCards => {
  const text = value?.trim();
  if (all.has(text)) return cards => cards;
  if (text === undefined || none.has(text)) return () => [];
  const words = text.split(',').map(word => word.trim());
  const known = new Map<string, readonly string[]>();
  return cards => {
    const seen = new Set<string>();
    for (const word of words) {
      const uuids = known.get(word) ?? meantBy(word, cards);
      if (uuids.length === 0) break;
      known.set(word, uuids);
      for (const uuid of uuids) seen.add(uuid);
    }
    return cards.filter(card => seen.has(card.uuid) || seen.has(cardOf(card)));
  };
};
