/**
 * Queues that went down with their broker while this runner works for them: a queue that is not durable is gone after a restart,
 * and nobody deleted it. They stay in what discovery finds until that work is settled.
 */
export interface HeldOver {
  /** What a look found, and what is held over. */
  with(found: ReadonlySet<string>): ReadonlySet<string>;
  /** A message of this queue is held from now on: so the queue is there, whenever the next look is. */
  took(name: string): void;
}

/**
 * @param working queues that leases are held for
 * @param generation counts the connections; undefined while there is none
 */
export const createHeldOver = (working: () => readonly string[], generation: () => number | undefined): HeldOver => {
  /** The connection at which a queue was last seen. */
  let seen = new Map<string, number>();
  return {
    took: name => {
      const now = generation();
      if (now !== undefined) seen.set(name, now);
    },
    with: found => {
      const now = generation();
      const queues = working();
      const kept = queues.flatMap(name => {
        const at = seen.get(name);
        return at === undefined ? [] : ([[name, at]] as const);
      });
      seen = new Map(kept);
      if (now !== undefined) for (const name of queues) if (found.has(name)) seen.set(name, now);
      const isHeldOver = (name: string) => !found.has(name) && (now === undefined || (seen.get(name) ?? now) < now);
      const heldOver = queues.filter(isHeldOver);
      return heldOver.length === 0 ? found : new Set([...found, ...heldOver]);
    },
  };
};
