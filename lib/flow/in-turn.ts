/** Give work its turn: it starts when what was given before has ended, well or not. */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

/** One thing at a time, in the order of asking. */
export const createTurns = (): InTurn => {
  let last: Promise<unknown> = Promise.resolve();
  return work => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
};

/** One thing at a time for each name, in the order of asking. */
export const createTurnsByName = (): (<T>(name: string, work: () => Promise<T>) => Promise<T>) => {
  const lines = new Map<string, { readonly turns: InTurn; length: number }>();
  return async (name, work) => {
    const line = lines.get(name) ?? { turns: createTurns(), length: 0 };
    lines.set(name, line);
    line.length += 1;
    try {
      return await line.turns(work);
    } finally {
      line.length -= 1;
      if (line.length === 0) lines.delete(name);
    }
  };
};
