/** Which of the accounts' queues has which name among the runner's queues. */
export interface Names {
  /** What is there now: queues by account and name in it. Names that were given stay with their queues. */
  assign(found: readonly (readonly [account: string, home: string])[]): void;
  all(): ReadonlySet<string>;
  find(name: string): readonly [account: string, home: string] | undefined;
}

/** No queue of SQS or Pub/Sub has it in its name. */
const between = '@';

/** The name that QUEUE_MATCH sees. */
export const shortName = (name: string): string => name.split(between)[0] ?? name;

/** Two accounts may have queues of one name: the one that was there first has it, the other's account follows its name. */
export const createNames = (): Names => {
  let byName = new Map<string, readonly [string, string]>();
  let byQueue = new Map<string, string>();
  const keyOf = (account: string, home: string) => `${account}/${home}`;
  return {
    assign: found => {
      const names = new Map<string, readonly [string, string]>();
      const queues = new Map<string, string>();
      const give = (name: string, queue: readonly [string, string]) => {
        names.set(name, queue);
        queues.set(keyOf(...queue), name);
      };
      const fresh: (readonly [string, string])[] = [];
      for (const queue of found) {
        const known = byQueue.get(keyOf(...queue));
        if (known === undefined) fresh.push(queue);
        else give(known, queue);
      }
      for (const queue of fresh) {
        const [account, home] = queue;
        give(names.has(home) ? `${home}${between}${account}` : home, queue);
      }
      byName = names;
      byQueue = queues;
    },
    all: () => new Set(byName.keys()),
    find: name => byName.get(name),
  };
};
