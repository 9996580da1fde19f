import { constants } from 'node:os';

/** The signal of a number; undefined where it is none. */
export const signalOf = (number: number): NodeJS.Signals | undefined =>
  (Object.entries(constants.signals) as [NodeJS.Signals, number][]).find(([, one]) => one === number)?.[0];
