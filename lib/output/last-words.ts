import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import type { AttemptRecord, MetadataDocument } from '../model/attempt.ts';
import type { End } from '../model/outcome.ts';
import type { Grant } from '../model/resources.ts';
import { billLine, billMembers, billOf } from './bill.ts';
import { exitCodeOf } from './end-of-run.ts';

/** What is known of a failure, as it stands in the metadata document. */
export const failureMembers = ({ cause, message, exit, stderr = [] }: End): Readonly<Record<string, unknown>> => ({
  cause,
  message,
  ...(exit && { exit_code: exitCodeOf(exit) }),
  ...(exit?.signal && { signal: exit.signal }),
  ...(exit?.exceeded && { limit_bytes: exit.exceeded.limitBytes, peak_bytes: exit.exceeded.usedBytes }),
  ...(stderr.length > 0 && { stderr }),
});

/** What an attempt took from its machine, as it stands in the metadata document. */
const usedMembers = (
  { exit }: End,
  grant: Pick<Grant, 'gpuPeakBytes'>,
): Readonly<Record<string, number>> | undefined => {
  if (!exit) return undefined;
  const { cpuSeconds, memoryBytes, diskBytes } = exit.usage ?? {};
  const gpuMemoryBytes = grant.gpuPeakBytes?.();
  const used = {
    ...(cpuSeconds === undefined ? {} : { cpu_seconds: cpuSeconds }),
    ...(memoryBytes === undefined ? {} : { memory_bytes: memoryBytes }),
    ...(diskBytes === undefined ? {} : { disk_bytes: diskBytes }),
    ...(gpuMemoryBytes === undefined ? {} : { gpu_memory_bytes: gpuMemoryBytes }),
  };
  return Object.keys(used).length > 0 ? used : undefined;
};

/** Lines of the runner's own at the end of a file, on lines of their own. A full disk takes no more words. */
const append = (file: string, text: string): void => {
  try {
    const handle = openSync(file, 'a+');
    try {
      const { size } = fstatSync(handle);
      const last = Buffer.alloc(1);
      if (size > 0) readSync(handle, last, 0, 1, size - 1);
      writeSync(handle, size === 0 || last.toString() === '\n' ? text : `\n${text}`);
    } finally {
      closeSync(handle);
    }
  } catch {
    // The same words are in the metadata document.
  }
};

/** Whom the last words are about. */
export interface Spoken {
  readonly record: AttemptRecord;
  readonly grant: Pick<Grant, 'gpuPeakBytes'>;
  readonly identity: { readonly startedAtMs: number };
  readonly document: MetadataDocument;
  readonly workspace: { readonly outputFile: string };
}

/**
 * Say how an attempt ended and what it took: why it failed and how long each part took at the end of output/output; both, and what
 * it used, in the metadata document. What comes after that, storing, is told by the event `settled`.
 */
export const sayLastWords = ({ record, grant, identity, document, workspace }: Spoken, end: End): void => {
  const bill = billOf(record, identity.startedAtMs);
  const failed = end.cause !== 'completed';
  if (failed) document.set('failure', failureMembers(end));
  const used = usedMembers(end, grant);
  if (used) document.set('used', used);
  document.set('timings', billMembers(bill));
  append(workspace.outputFile, `${failed ? `runner: ${end.message} (${end.cause})\n` : ''}runner: ${billLine(bill)}\n`);
};
