import { AttemptError } from '../errors.ts';
import { toText, type BytePath } from './byte-path.ts';

const longestName = 200;

/** An archive that can't be, or won't be unpacked. @param entry the name of the entry that is to blame */
export const archiveRefused = (why: string, entry?: BytePath, cause?: unknown): AttemptError =>
  new AttemptError(
    'artifact-invalid',
    `archive refused: ${why}`,
    entry === undefined ? {} : { entry: toText(entry.slice(0, longestName)) },
    cause === undefined ? undefined : { cause },
  );
