import { createHash } from 'node:crypto';

/** Clients of one kind of store, each made once for what it was made with. */
export interface KeptClients<C> {
  /** @param said all that the client depends on; only a digest of it is kept, since it holds credentials */
  get(said: string, create: () => Promise<C>): Promise<C>;
  /** The next one who asks gets a new one. */
  forget(client: Promise<C>): void;
}

/** @param most that are kept: those used last */
export const createKeptClients = <C>(most: number): KeptClients<C> => {
  const kept = new Map<string, Promise<C>>();
  return {
    get: (said, create) => {
      const key = createHash('sha256').update(said).digest('base64');
      const client = kept.get(key) ?? create();
      kept.delete(key);
      kept.set(key, client);
      const [oldest] = kept.keys();
      if (kept.size > most && oldest !== undefined) kept.delete(oldest);
      return client;
    },
    forget: client => {
      for (const [key, one] of kept) if (one === client) kept.delete(key);
    },
  };
};
