import type { AttemptScope } from '../model/attempt.ts';

/** @param onFailure hears of each release that threw or rejected */
export const createScope = (onFailure: (name: string, error: unknown) => void): AttemptScope => {
  const held: { name: string; release: () => void | Promise<void> }[] = [];
  let closing: Promise<void> | undefined;
  const run = async (name: string, release: () => void | Promise<void>) => {
    try {
      await release();
    } catch (error) {
      onFailure(name, error);
    }
  };
  const closeAll = async () => {
    for (let entry = held.pop(); entry; entry = held.pop()) await run(entry.name, entry.release);
  };
  return {
    add: (name, release) => {
      if (closing) void run(name, release);
      else held.push({ name, release });
    },
    close: () => (closing ??= closeAll()),
  };
};
