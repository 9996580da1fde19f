import { lstat, readdir, readFile, rename, rm, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { DeadLetter, DeadLetters } from '../dead-letters.ts';
import { pastOfRequeued, readPast } from '../history.ts';
import { freeName, readWithin, writePastAt } from './home.ts';
import { isMissing, pathsOf } from './paths.ts';

const nothingIfMissing = async (directory: string): Promise<string[]> => {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
};

/** The messages among the files of a directory of dead letters: `NAME` has its reason in `NAME.json`, written before it. */
const lettersOf = (names: readonly string[]): string[] => {
  const there = new Set(names);
  return names.filter(name => {
    if (name.startsWith('.')) return false;
    if (there.has(`${name}.json`)) return true;
    // Not a reason, whether its message is there or never came.
    return !name.endsWith('.json');
  });
};

/** A letter may be one for its size: what is larger is not read, bytes. */
const maxShownBytes = 64 * 1024 * 1024;

const readLetter = async (dead: string, queue: string, name: string): Promise<DeadLetter | undefined> => {
  try {
    const path = join(dead, name);
    const { mtimeMs } = await lstat(path);
    const text = await readFile(`${path}.json`, 'utf8').catch(() => '{}');
    const { reason, message, history, at } = JSON.parse(text) as Record<string, unknown>;
    const atMs = Date.parse(String(at));
    return {
      kind: 'directory',
      queue,
      place: path,
      id: name,
      reason: typeof reason === 'string' ? reason : 'unknown',
      message: typeof message === 'string' ? message : 'nothing says why',
      history: readPast({ history }).history,
      atMs: Number.isNaN(atMs) ? mtimeMs : atMs,
      body: (await readWithin(path, maxShownBytes)).body,
    };
  } catch (error) {
    // Another operator was quicker.
    if (isMissing(error)) return undefined;
    throw error;
  }
};

/**
 * Dead letters of directory queues: `.dead/<queue>` beside the queues. Each settles by one rename or removal of its file, which only
 * one of two operators succeeds in.
 */
export const directoryDeadLetters = (root: string): DeadLetters => {
  const requeue = async (letter: DeadLetter, counted: boolean): Promise<void> => {
    const { queue } = pathsOf(root, letter.queue, '');
    const there = await stat(queue).catch(() => undefined);
    if (!there?.isDirectory()) throw new Error(`the queue is gone; the dead letter stays [queue=${letter.queue}]`);
    const now = new Date();
    // Behind what waits there.
    await utimes(letter.place, now, now);
    const home = await freeName(queue, letter.id);
    await writePastAt(queue, home, pastOfRequeued(letter, counted));
    await rename(letter.place, join(queue, home));
  };

  return {
    kind: 'directory',
    queues: async () => (await nothingIfMissing(join(root, '.dead'))).filter(name => !name.startsWith('.')).sort(),
    visit: async (queue, judge, signal) => {
      const { dead } = pathsOf(root, queue, '');
      const letters: DeadLetter[] = [];
      for (const name of lettersOf(await nothingIfMissing(dead))) {
        signal.throwIfAborted();
        const letter = await readLetter(dead, queue, name);
        if (letter) letters.push(letter);
      }
      letters.sort((a, b) => (a.atMs ?? 0) - (b.atMs ?? 0) || (a.id < b.id ? -1 : 1));
      for (const letter of letters) {
        signal.throwIfAborted();
        const verdict = judge(letter);
        if (verdict === 'keep') continue;
        try {
          if (verdict === 'drop') await unlink(letter.place);
          else await requeue(letter, verdict === 'requeue-counted');
        } catch (error) {
          if (isMissing(error)) throw new Error(`another operator took it [id=${letter.id}]`, { cause: error });
          throw error;
        }
        await rm(`${letter.place}.json`, { force: true });
      }
    },
    close: () => Promise.resolve(),
  };
};
