import { createTrees } from './trees.ts';

/** What the trees below a directory of environments take, bytes. */
export const heldBytes = async (directory: string): Promise<number> => {
  const trees = createTrees(directory);
  const { ids } = await trees.list();
  const found = await Promise.all(ids.map(id => trees.read(id)));
  return found.reduce((sum, tree) => sum + (tree?.bytes ?? 0), 0);
};
