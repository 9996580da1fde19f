import type { Emit } from '../../telemetry/events.ts';
import { removeTree } from '../../workspace/remove-tree.ts';
import type { Tree, Trees } from './trees.ts';

export interface EvictContext {
  readonly trees: Trees;
  /** What all trees together may take. */
  readonly limitBytes: number;
  readonly emit: Emit;
}

/**
 * Remove what serves for nothing and is in nobody's use; then, while all that is left takes more than it may, the trees that were
 * used least recently. One in use stays, whatever the limit.
 * Out: what is left takes so many bytes.
 */
export const evict = async ({ trees, limitBytes, emit }: EvictContext): Promise<number> => {
  const { ids, abandoned } = await trees.list();
  for (const path of abandoned) await removeTree(path);
  const left: Tree[] = [];
  for (const id of ids) {
    if (await trees.removeUnused(id)) continue;
    const tree = await trees.read(id);
    if (tree) left.push(tree);
  }
  let bytes = left.reduce((sum, tree) => sum + tree.bytes, 0);
  const oldestFirst = left.sort((a, b) => trees.lastUsedMs(a.key) - trees.lastUsedMs(b.key));
  for (const tree of oldestFirst) {
    if (bytes <= limitBytes) break;
    if (trees.uses.any(tree.id)) continue;
    trees.retire(tree);
    if (!(await trees.removeUnused(tree.id))) continue;
    bytes -= tree.bytes;
    emit('environment-evicted', { environment: tree.key, bytes: tree.bytes, leftBytes: bytes });
  }
  await trees.dropNames();
  return bytes;
};
