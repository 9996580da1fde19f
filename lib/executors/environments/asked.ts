import { createHash } from 'node:crypto';
import type { Interpreter } from '../interpreters.ts';
import { readLines } from './read-lines.ts';

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

const isOfIndexes = (name: string): boolean => /^(?:PIP|UV)_/.test(name);

/**
 * A name for what was asked for, the same for all who ask for the same; undefined where that can't be told: see Said.
 * `freshForMs`: so long it stands for what came of it.
 */
export const nameOf = async (
  { interpreter, requirements, env }: Asked,
  tool: string,
): Promise<{ readonly name: string | undefined; readonly freshForMs: number }> => {
  const said = await readLines(requirements);
  if (said.content === undefined) return { name: undefined, freshForMs: 0 };
  const indexes = Object.entries(env).filter(([name]) => isOfIndexes(name));
  const parts = [
    tool,
    process.platform,
    process.arch,
    interpreter.path,
    interpreter.version,
    indexes.sort(),
    said.content,
  ];
  const name = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
  return { name, freshForMs: said.isExact ? exactForMs : openForMs };
};
