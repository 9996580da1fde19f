import { dirname } from 'node:path';
import type { MetadataDocument, Run, RunningAttempt } from '../../lib/model/attempt.ts';
import type { Request } from '../../lib/model/experiment.ts';
import { artifact } from './make-attempt.ts';

export interface RunningParts {
  readonly run: Run;
  readonly document: MetadataDocument;
  readonly outputFile: string;
  readonly request?: Partial<Request>;
  readonly signal?: AbortSignal;
}

/** As much of a running attempt as reading its output needs; everything else is missing, and using it fails. */
export const runningAttempt = (parts: RunningParts): RunningAttempt =>
  ({
    run: parts.run,
    document: parts.document,
    workspace: { outputFile: parts.outputFile, output: dirname(parts.outputFile) },
    secrets: [],
    request: { artifacts: new Map([['output', artifact('output')]]), ...parts.request },
    record: { queue: 'q', attempt: 'host-abcdef-123456', began: true },
    identity: { startedAtMs: Date.now() },
    grant: {},
    signal: parts.signal ?? new AbortController().signal,
  }) as unknown as RunningAttempt;
