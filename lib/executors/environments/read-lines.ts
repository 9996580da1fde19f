import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** What requirement lines say, with the files that they name. */
export interface Said {
  /** JSON, the same for lines that say the same, wherever their files are. */
  readonly content: unknown;
  /** Whether they mean the same tomorrow, but for what packages depend on themselves. */
  readonly isExact: boolean;
}

/** Tools know options by their beginnings too, as long as no other begins alike. */
const include = /^(-[rc]|--requirem\w*|--cons\w*)[\s=]*(\S.*)$/;
const anyInclude = /\s(?:-[rc]|--requirem|--cons)/;
const findLinks = /^(?:-f|--f[\w-]*)[\s=]*(\S.*)$/;
const editable = /^(?:-e|--ed\w*)[\s=]*/;
/** What stands behind a requirement: options of its own, as `--hash`. */
const ownOptions = /\s+--?\w.*$/;
const exact = /^(?:[\w.-]+\s*(?:\[[^\]]*\])?\s*={2,3}\s*[^*\s;]+(?:\s*;.*)?|.*@[0-9a-f]{40}(?:#.*)?)$/;
const archive = /\.(?:whl|zip|tar|tgz|tbz|txz|tar\.\w+)$/;

/** Nobody has as many; who goes beyond shares with nobody. */
const mostFiles = 64;
const mostBytes = 1024 * 1024;

/** Lines as the tools see them. Source: pip, "Requirements File Format". */
const logicalLines = (text: string): string[] =>
  text
    .replaceAll(/^[ \t]*#.*$/gm, '')
    .replaceAll(/\\\r?\n/g, '')
    .split(/\r\n?|\n/)
    .map(line => line.replace(/\s#.*$/, '').trim())
    .filter(Boolean);

const isUrl = (text: string): boolean => text.includes('://');
const isPath = (requirement: string): boolean => {
  const [what = ''] = requirement.split(';');
  return !isUrl(what) && (what.includes('/') || what.startsWith('.') || archive.test(what.trim()));
};

const fileSize = async (path: string): Promise<number | undefined> => {
  const stats = await stat(path).catch(() => undefined);
  return stats?.isFile() ? stats.size : undefined;
};

/** A file by its content: each attempt has it at another path. */
const archiveAt = async (path: string): Promise<Said | undefined> => {
  if ((await fileSize(path)) === undefined) return undefined;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return { content: `${basename(path)} ${hash.digest('hex')}`, isExact: true };
};

/** @param seen files that were read, in their order: of one that comes again, or includes itself, its number is enough */
const includedAt = async (path: string, kind: string, seen: string[]): Promise<Said | undefined> => {
  const number = seen.indexOf(path);
  if (number >= 0) return { content: [kind, number], isExact: true };
  if (seen.push(path) > mostFiles || ((await fileSize(path)) ?? Infinity) > mostBytes) return undefined;
  const said = await readText(await readFile(path, 'utf8'), dirname(path), seen);
  return said && { ...said, content: [kind, said.content] };
};

const readLine = async (line: string, directory: string, seen: string[]): Promise<Said | undefined> => {
  const [, option = '', file = ''] = include.exec(line) ?? [];
  if (isUrl(file)) return { content: line, isExact: false };
  if (option !== '') return includedAt(resolve(directory, file), /^--?c/.test(option) ? 'c' : 'r', seen);
  if (line.startsWith('-') && !editable.test(line)) {
    if (anyInclude.test(line)) return undefined;
    const links = findLinks.exec(line)?.[1];
    return links === undefined || isUrl(links)
      ? { content: line, isExact: true }
      : archiveAt(resolve(directory, links));
  }
  const requirement = line.replace(editable, '').replace(ownOptions, '');
  return isPath(requirement)
    ? archiveAt(resolve(directory, requirement))
    : { content: line, isExact: exact.test(requirement) };
};

const readText = async (text: string, directory: string, seen: string[]): Promise<Said | undefined> => {
  const all: Said[] = [];
  for (const line of logicalLines(text)) {
    const said = await readLine(line, directory, seen);
    if (!said) return undefined;
    all.push(said);
  }
  return { content: all.map(({ content }) => content), isExact: all.every(({ isExact }) => isExact) };
};

/**
 * What requirement lines say, with the content of archives, and of all files that they include, constraints as well.
 * @param lines paths in them are absolute; those in a file that they include start there
 * Out: undefined where that can't be told: a directory is among it, or an include that only the tool understands.
 * Errors: those of reading.
 */
export const readLines = (lines: readonly string[]): Promise<Said | undefined> => readText(lines.join('\n'), '/', []);
