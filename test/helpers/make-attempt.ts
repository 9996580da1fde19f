import { createWorkspace } from '../../lib/workspace/layout.ts';
import type { ObservedAttempt, PreparedAttempt } from '../../lib/model/attempt.ts';
import type { Artifact } from '../../lib/model/experiment.ts';
import type { Cause, End } from '../../lib/model/outcome.ts';
import { createDocument } from '../../lib/output/document.ts';
import { noRecord } from '../../lib/records/experiment-record.ts';

export interface AttemptParts {
  /** Where its directories are made. */
  readonly home: string;
  readonly artifacts: readonly Artifact[];
  readonly diskBytes?: number;
  readonly signal?: AbortSignal;
  /** Told of the disk that stays taken. */
  readonly keepDisk?: (bytes: number) => void;
  readonly raw?: Readonly<Record<string, unknown>>;
  /** Whether its directories are left for a developer. */
  readonly stays?: boolean;
}

/** An artifact with a key, unpacked, mutable unless it is the workspace. */
export const artifact = (label: string, parts: Partial<Artifact> = {}): Artifact => ({
  label,
  mutable: label !== 'workspace',
  unpack: true,
  key: label === 'workspace' ? 'blobs/workspace.tar' : `experiments/e1/${label}.tar`,
  ...parts,
});

/** A prepared attempt with real directories and a real document; what stages of storing do not need is missing. */
export const makeAttempt = (parts: AttemptParts): PreparedAttempt =>
  ({
    identity: { accession: 'host-abcdef-123456', number: 1, host: 'host', startedAtMs: 0 },
    record: { queue: 'q', attempt: 'host-abcdef-123456', experiment: 'e1', began: true },
    signal: parts.signal ?? new AbortController().signal,
    request: {
      key: 'e1',
      artifacts: new Map(parts.artifacts.map(one => [one.label, one])),
      raw: parts.raw ?? { experiment: { key: 'e1' } },
    },
    grant: {
      amounts: { cores: 1, memoryBytes: 0, diskBytes: parts.diskBytes ?? 0 },
      keepDisk: parts.keepDisk ?? (() => undefined),
    },
    workspace: createWorkspace({ home: parts.home, key: 'e1', stays: parts.stays ?? false }),
    document: createDocument({ schemaLogs: true }),
    experimentRecord: noRecord,
  }) as unknown as PreparedAttempt;

/** The end of an attempt that ran, or with `ran` false never did. */
export const ended = (attempt: PreparedAttempt, cause: Cause = 'completed', ran = true): ObservedAttempt => {
  const exit = { code: 0, signal: null, startedAtMs: 1000, endedAtMs: 2000 };
  const end: End = { cause, message: cause, ...(ran ? { exit } : {}) };
  return { ...attempt, end };
};
