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
