import type { MeasuredCard } from './parse.ts';

/**
 * Slots of a card by its model: how much of a card a request asks for. Those above the line are StudioML's own; the others are set
 * beside them by memory and tensor throughput. The first that matches counts, so longer names stand before shorter ones.
 */
const table: readonly (readonly [model: string, slots: number])[] = [
  ['GTX 1050', 2],
  ['GTX 1060', 2],
  ['GTX 1070', 2],
  ['GTX 1080', 2],
  ['TITAN X', 2],
  ['RTX 2080 Ti', 2],
  ['K80', 2],
  ['P40', 4],
  ['P100', 8],
  ['V100', 16],
  ['A100', 24],
  // ---
  ['GB200', 96],
  ['GB300', 112],
  ['B200', 96],
  ['B300', 112],
  ['GH200', 64],
  ['H200', 64],
  ['H100', 48],
  ['H800', 48],
  ['A800', 24],
  ['H20', 32],
  ['L40S', 28],
  ['L40', 24],
  ['L4', 12],
  ['A40', 20],
  ['A30', 16],
  ['A10G', 16],
  ['A10', 16],
  ['A16', 6],
  ['A2', 6],
  ['T4', 8],
  ['P4', 2],
  ['TITAN RTX', 8],
  ['TITAN V', 8],
  ['RTX PRO 6000', 48],
  ['RTX 6000 Ada', 24],
  ['RTX A6000', 20],
  ['RTX A5000', 12],
  ['RTX A4000', 8],
  ['RTX 5090', 24],
  ['RTX 5080', 12],
  ['RTX 5070', 8],
  ['RTX 5060', 6],
  ['RTX 5050', 4],
  ['RTX 4090', 16],
  ['RTX 4080', 12],
  ['RTX 4070', 8],
  ['RTX 4060', 6],
  ['RTX 4050', 4],
  ['RTX 3090', 12],
  ['RTX 3080', 8],
  ['RTX 3070', 6],
  ['RTX 3060', 6],
  ['RTX 3050', 4],
  ['RTX 20', 2],
  ['GTX 16', 2],
];

const gib = 2 ** 30;
const mostDerived = 24;
const leastSlots = 2;

/** A model's name as a word of its own: A10 is neither A100 nor A10G. */
const isNamed = (name: string, model: string): boolean => {
  const words = model.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  // `RTX 20` and `GTX 16` stand for all of their generation.
  const end = /\b\d0$|\b16$/.test(model) ? '' : '(?![A-Za-z0-9])';
  return new RegExp(`(?<![A-Za-z0-9])${words}${end}`, 'i').test(name);
};

export interface Slots {
  readonly slots: number;
  /** Whether the model is in the table; else its value is derived from its memory. */
  readonly isKnown: boolean;
}

/**
 * Slots of a card, or of a MIG instance: its share of the card's by memory, at least one.
 * @param overrides slots by model, which come first
 */
export const slotsOf = ({ name, memoryBytes, part }: MeasuredCard, overrides: ReadonlyMap<string, number>): Slots => {
  const [, known] = [...overrides, ...table].find(([model]) => isNamed(name, model)) ?? [];
  const cardBytes = part?.ofMemoryBytes ?? memoryBytes;
  const whole = known ?? Math.min(mostDerived, Math.max(leastSlots, Math.floor(cardBytes / gib / 2)));
  const slots = part ? Math.max(1, Math.floor((whole * memoryBytes) / part.ofMemoryBytes)) : whole;
  return { slots, isKnown: known !== undefined };
};

/**
 * Slots by model from the text of a file: `{"RTX 4090": 20, "Some Card": 6}`.
 * Errors: Error that says what was found and expected.
 */
export const parseSlots = (text: string): ReadonlyMap<string, number> => {
  const expected = 'expected a JSON object of whole numbers of slots by model, {"RTX 4090": 20}';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${expected}; found no JSON`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(expected);
  return new Map(
    Object.entries(value).map(([model, slots]) => {
      if (model !== '' && typeof slots === 'number' && Number.isSafeInteger(slots) && slots > 0) return [model, slots];
      throw new Error(`${expected}; found ${JSON.stringify(slots)} for "${model}"`);
    }),
  );
};
