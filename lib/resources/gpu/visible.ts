import type { MeasuredCard } from './parse.ts';

/** Words of container runtimes for every card, and for none. */
const all = new Set([undefined, 'all']);
const none = new Set(['', '-1', 'void', 'none', 'NoDevFiles']);

const isMeant = (card: MeasuredCard, word: string): boolean => {
  if (/^\d+$/.test(word)) return card.index === Number(word);
  // A beginning is enough, as long as it is that of a UUID.
  if (word.startsWith('GPU-')) return (card.part?.of ?? card.uuid).startsWith(word);
  return word.startsWith('MIG-') && card.uuid.startsWith(word);
};

/**
 * The cards that CUDA_VISIBLE_DEVICES leaves to the runner: indexes in nvidia-smi's order, UUIDs or their beginnings, `all`. What comes
 * after a word that stands for no card is not seen, as CUDA has it. A card in MIG mode stands for its instances.
 * Source: CUDA C++ programming guide, "CUDA environment variables".
 */
export const visibleCards = (cards: readonly MeasuredCard[], value: string | undefined): readonly MeasuredCard[] => {
  const text = value?.trim();
  if (all.has(text)) return cards;
  if (text === undefined || none.has(text)) return [];
  const words = text.split(',').map(word => word.trim());
  const end = words.findIndex(word => !cards.some(card => isMeant(card, word)));
  const valid = end === -1 ? words : words.slice(0, end);
  return cards.filter(card => valid.some(word => isMeant(card, word)));
};
