import { realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { QueueKind } from '../model/delivery.ts';
import type { Artifact } from '../model/experiment.ts';
import { createDirectoryStore } from './directory.ts';
import { isWithin } from './directory-paths.ts';
import { deniedLocation, invalidLocation } from './locate-context.ts';
import type { LocateContext } from './locate-context.ts';
import type { ObjectLocation } from './object-store.ts';

/**
 * `file:///path` and `file://localhost/path` are URLs, percent-encoded; the client's `file://home/user/…`, which lost its first
 * slash, is a path as it is.
 */
export const filePath = (qualified: string): string => {
  const [, localhost, rest = ''] = /^file:\/\/(localhost(?=\/))?(.*)$/s.exec(qualified) ?? [];
  if (localhost === undefined && !rest.startsWith('/')) return `/${rest}`;
  try {
    return decodeURIComponent(rest);
  } catch {
    return rest;
  }
};

/** Where a path leads, every link followed; what does not exist yet stays as it is written. */
const realPath = (path: string): string => {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), path.slice(parent === '/' ? 1 : parent.length + 1));
  }
};

/** Whether `file://` may point there: below FILE_ROOTS, links resolved; without them only for messages of a directory queue. */
export const isAllowed = (path: string, kind: QueueKind, use: LocateContext): boolean =>
  use.fileRoots.length > 0
    ? use.fileRoots.some(root => isWithin(realPath(root), realPath(path)))
    : kind === 'directory';

/** The path that is used instead, where a directory above it is redirected: `file:///home/user/store` -> `file:///elsewhere`. */
const redirected = (path: string, redirect: LocateContext['redirect']): string => {
  for (const [from, to] of redirect ?? []) {
    const above = from.startsWith('file://') ? resolve(filePath(from)) : undefined;
    if (above !== undefined && isWithin(above, path)) return join(resolve(filePath(to)), path.slice(above.length));
  }
  return path;
};

/** Where a `file://` artifact is. Errors: AttemptError. */
export const locateFile = (
  artifact: Artifact,
  qualified: string,
  kind: QueueKind,
  use: LocateContext,
): ObjectLocation => {
  const path = redirected(resolve(filePath(qualified)), use.redirect);
  if (path.includes('\0') || path === '/') throw invalidLocation(artifact, 'expected the path of a file');
  if (!isAllowed(path, kind, use)) {
    throw deniedLocation(artifact, 'file:// is not allowed here; FILE_ROOTS says where it is');
  }
  // Where the key is known the bucket is what stands before it: all artifacts of an experiment then share one store.
  const key = artifact.key;
  if (key && !isAbsolute(key) && path.endsWith(`/${key}`)) {
    return { store: createDirectoryStore({ root: path.slice(0, -key.length - 1) }), key };
  }
  const slash = path.lastIndexOf('/');
  return { store: createDirectoryStore({ root: path.slice(0, slash) || '/' }), key: path.slice(slash + 1) };
};
