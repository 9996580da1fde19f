import { messageOf } from '../../lib/errors.ts';

const whyNot: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such directory',
  ENOTDIR: 'it is not a directory',
  EACCES: 'the runner may not read and write it',
  EPERM: 'the runner may not read and write it',
  EROFS: 'it can only be read',
};

/** Why a directory can not be used, for a person. */
export const directoryFault = (path: string, error: unknown): string =>
  `${path}: ${whyNot[(error as NodeJS.ErrnoException).code ?? ''] ?? messageOf(error)}`;
