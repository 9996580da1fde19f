import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** What requirement lines say, with the files that they name. */
export interface Said {
  /**
   * JSON, the same for lines that say the same, wherever their files are. Undefined where that can't be told: a directory is among
   * it, or an include that only the tool understands.
   */
  readonly content: unknown;
  /** Whether they mean the same tomorrow, but for what packages depend on themselves. */
  readonly isExact: boolean;
  /** Whether a hash is asked of what is installed: pip then takes nothing without one. */
  readonly hasHashes: boolean;
  /** Lines that are for all requirements, as `--index-url`; paths are absolute. */
  readonly options: readonly string[];
}

/** Tools know options by their beginnings too, as long as no other begins alike. */
const include = /^(-[rc]|--requirem\w*|--cons\w*)[\s=]*(\S.*)$/;
const anyInclude = /\s(?:-[rc]|--requirem|--cons)/;
const findLinks = /^(?:-f|--f[\w-]*)[\s=]*(\S.*)$/;
const editable = /^(?:-e|--ed\w*)[\s=]*/;
/** What stands behind a requirement: options of its own, as `--hash`. */
const ownOptions = / --?\w.*$/;
const ownHash = /\s--hash\b/;
const requireHashes = /^--require-/;
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

const said = (content: unknown, more: Partial<Said> = {}): Said => ({
  content,
  isExact: true,
  hasHashes: false,
  options: [],
  ...more,
});

/** A file by its content: each attempt has it at another path. */
const contentAt = async (path: string): Promise<string | undefined> => {
  if ((await fileSize(path)) === undefined) return undefined;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return `${basename(path)} ${hash.digest('hex')}`;
};

/** @param seen files that were read, in their order: of one that comes again, or includes itself, its number is enough */
const includedAt = async (path: string, kind: string, seen: string[]): Promise<Said> => {
  const number = seen.indexOf(path);
  if (number >= 0) return said([kind, number]);
  if (seen.length === mostFiles) return said(undefined);
  seen.push(path);
  if (((await fileSize(path)) ?? Infinity) > mostBytes) return said(undefined);
  const inside = await readText(await readFile(path, 'utf8'), dirname(path), seen);
  return { ...inside, content: inside.content && [kind, inside.content] };
};

const readOption = async (line: string, directory: string): Promise<Said> => {
  if (anyInclude.test(line)) return said(undefined);
  if (requireHashes.test(line)) return said(line, { hasHashes: true });
  const links = findLinks.exec(line)?.[1];
  if (links === undefined || isUrl(links)) return said(line, { options: [line] });
  const path = resolve(directory, links);
  return said(await contentAt(path), { options: [`--find-links ${path}`] });
};

const readLine = async (line: string, directory: string, seen: string[]): Promise<Said> => {
  const [, option = '', file = ''] = include.exec(line) ?? [];
  if (isUrl(file)) return said(line, { isExact: false });
  if (option !== '') return includedAt(resolve(directory, file), /^--?c/.test(option) ? 'c' : 'r', seen);
  if (line.startsWith('-') && !editable.test(line)) return readOption(line, directory);
  const requirement = line.replace(editable, '').replaceAll(/\s+/g, ' ').replace(ownOptions, '');
  const hasHashes = ownHash.test(line);
  return isPath(requirement)
    ? said(await contentAt(resolve(directory, requirement)), { hasHashes })
    : said(line, { isExact: exact.test(requirement), hasHashes });
};

const readText = async (text: string, directory: string, seen: string[]): Promise<Said> => {
  const all: Said[] = [];
  for (const line of logicalLines(text)) all.push(await readLine(line, directory, seen));
  return {
    content: all.some(({ content }) => content === undefined) ? undefined : all.map(({ content }) => content),
    isExact: all.every(({ isExact }) => isExact),
    hasHashes: all.some(({ hasHashes }) => hasHashes),
    options: all.flatMap(({ options }) => options),
  };
};

/**
 * What requirement lines say, with the content of archives, and of all files that they include, constraints as well.
 * @param lines paths in them are absolute; those in a file that they include start there
 * Errors: those of reading.
 */
export const readLines = (lines: readonly string[]): Promise<Said> => readText(lines.join('\n'), '/', []);
