import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';

/** No file of keys is larger. */
const maxBytes = 64 * 1024;

/** What was found at one place: bytes, or in words why there are none. */
export interface KeyFileLook {
  /** Changes when the file does, whether it was written in place, replaced, or reached through links that were swapped. */
  readonly stamp: string;
  readonly bytes?: Buffer;
  /** Tells contents apart without keeping them. */
  readonly digest?: string;
  readonly fault?: string;
}

const whyNot: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'the runner may not read it',
  EPERM: 'the runner may not read it',
  ELOOP: 'its links lead in a circle',
  EISDIR: 'it is a directory',
};

const missing: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR']);

/** Why something could not be read, in words without the path. */
export const readFault = (error: unknown): string => {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return whyNot[code] ?? `it can not be read (${code || message})`;
};

/** A fault that begins with the path, for events that name the file beside it. */
export const withoutPath = (path: string, fault: string): string =>
  fault.startsWith(`${path}: `) ? fault.slice(path.length + 2) : fault;

/** Whether a stamp is that of a file that is not there; one that could not be looked at may be. */
export const isAbsent = (stamp: string): boolean => stamp.startsWith('absent');

/**
 * Look at a file that should hold keys; links are followed. Never rejects: what is wrong is in the result. Only a regular file
 * is opened, since a pipe would wait for its writer, and only a small one.
 * @param known the stamp of an earlier look: a file that is still the same is not read again, and has neither bytes nor fault
 */
export const lookAtKeyFile = async (path: string, known?: string): Promise<KeyFileLook> => {
  let stamp: string | undefined;
  try {
    const facts = await stat(path, { bigint: true });
    const { dev, ino, size, mtimeNs, ctimeNs, mode } = facts;
    stamp = [dev, ino, size, mtimeNs, ctimeNs, mode].join(' ');
    if (stamp === known) return { stamp };
    if (facts.isDirectory()) return { stamp, fault: 'it is a directory' };
    if (!facts.isFile()) return { stamp, fault: 'it is not a regular file' };
    if (size === 0n) return { stamp, fault: 'it is empty' };
    if (size > BigInt(maxBytes)) return { stamp, fault: `it has ${String(size)} bytes, more than any key` };
    const bytes = await readFile(path);
    return { stamp, bytes, digest: createHash('sha256').update(bytes).digest('base64') };
  } catch (error) {
    const fault = readFault(error);
    stamp ??= missing.has((error as NodeJS.ErrnoException).code) ? 'absent' : 'unknown';
    return { stamp: `${stamp} ${fault}`, fault };
  }
};
