import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Interpreter } from '../interpreters.ts';

/** What an attempt asks for. */
export interface Asked {
  readonly interpreter: Interpreter;
  /** Lines of a requirements file; paths in it are absolute. */
  readonly requirements: readonly string[];
  /** For the tool: where packages come from. */
  readonly env: Readonly<Record<string, string>>;
}

const minuteMs = 60_000;
/** What is named exactly stays what it is, but for what it depends on itself. */
const exactForMs = 24 * 60 * minuteMs;
/** Anything else is asked for again now and then: a branch moves on, a newer version comes out. */
const openForMs = 10 * minuteMs;

const pathOption = /^(?:-[rcf]|--requirement|--constraint|--find-links)[\s=]*(\/.*)$/;
const includes = /^\s*(?:-[rc]|--requirement|--constraint)\b/m;
const exact = /^(?:[\w.-]+\s*(?:\[[^\]]*\])?\s*={2,3}\s*[^*\s;]+(?:\s*;.*)?|.*@[0-9a-f]{40}(?:#.*)?)$/;

/** What is at the absolute path of a line, by content: each attempt has it at another path. Undefined where that can't be told. */
const contentOf = async (path: string): Promise<string | undefined> => {
  const stats = await stat(path).catch(() => undefined);
  if (!stats?.isFile()) return undefined;
  if (path.endsWith('.txt') && includes.test(await readFile(path, 'utf8'))) return undefined;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return `${basename(path)} ${hash.digest('hex')}`;
};

const isOfIndexes = (name: string): boolean => /^(?:PIP|UV)_/.test(name);

/**
 * A name for what was asked for, the same for all who ask for the same; undefined where a directory is among it, whose content would
 * have to be read. `freshForMs`: so long it stands for what came of it.
 */
export const nameOf = async (
  { interpreter, requirements, env }: Asked,
  tool: string,
): Promise<{ readonly name: string | undefined; readonly freshForMs: number }> => {
  const lines: string[] = [];
  let isExact = true;
  for (const line of requirements) {
    const path = line.startsWith('/') ? line : pathOption.exec(line)?.[1];
    const content = path === undefined ? line : await contentOf(path);
    if (content === undefined) return { name: undefined, freshForMs: 0 };
    lines.push(content);
    isExact &&= path !== undefined || line.startsWith('-') || exact.test(line);
  }
  const indexes = Object.entries(env).filter(([name]) => isOfIndexes(name));
  const parts = [tool, process.platform, process.arch, interpreter.path, interpreter.version, indexes.sort(), lines];
  const name = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
  return { name, freshForMs: isExact ? exactForMs : openForMs };
};
