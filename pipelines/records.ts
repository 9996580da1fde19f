import { join } from 'node:path';
import { messageOf } from '../lib/errors.ts';
import type { AdmittedAttempt, ExperimentRecord, PreparedAttempt, StoredAttempt } from '../lib/model/attempt.ts';
import type { Artifact } from '../lib/model/experiment.ts';
import { createExperimentRecord, noRecord } from '../lib/records/experiment-record.ts';
import { createRecordDuty } from '../lib/records/record-duty.ts';
import { createResultsDuty } from '../lib/records/results.ts';
import { createStatusArtifact } from '../lib/records/status-artifact.ts';
import { settlementOf } from '../lib/stages/settlements.ts';
import type { ObjectLocation } from '../lib/storage/object-store.ts';
import type { Emit } from '../lib/telemetry/events.ts';

export interface RecordsContext {
  readonly emit: Emit;
  readonly host: string;
  readonly now: () => number;
  readonly maxAttempts: number;
  readonly unplacedAfterMs: number;
  readonly stopUploadMs: number;
  readonly locate: (artifact: Artifact, attempt: PreparedAttempt) => ObjectLocation | undefined;
  /** Where the metadata object of an experiment is. May throw an AttemptError. */
  readonly locateDatabase: (attempt: AdmittedAttempt) => ObjectLocation | undefined;
}

/** Source: spec "Metadata store". */
const lookEveryMs = 10_000;
const firstLookMs = 5000;

/** What the stages need to keep an experiment's record in the metadata store, and to see that its user cancelled it. */
export const recordsOf = (use: RecordsContext) => {
  const { emit } = use;
  const settlement = (attempt: StoredAttempt) => settlementOf(attempt, use, () => 0).type;

  const createRecord = (attempt: AdmittedAttempt): ExperimentRecord => {
    try {
      const location = use.locateDatabase(attempt);
      return location ? createExperimentRecord(location, { emit, about: attempt.record }) : noRecord;
    } catch (error) {
      // A metadata store that can't be used never fails an experiment.
      emit('record-failed', { error: messageOf(error) }, attempt.record);
      return noRecord;
    }
  };

  const statusOf = (attempt: PreparedAttempt): ((signal: AbortSignal) => Promise<boolean>) => {
    const artifact = attempt.request.artifacts.get('_status');
    if (!artifact) return () => Promise.resolve(false);
    try {
      const location = use.locate(artifact, attempt);
      if (!location) return () => Promise.resolve(false);
      return createStatusArtifact(location, join(attempt.workspace.runner, 'status'), { emit, about: attempt.record });
    } catch (error) {
      emit('record-failed', { error: messageOf(error) }, attempt.record);
      return () => Promise.resolve(false);
    }
  };

  return {
    createExperimentRecord: createRecord,
    cancelledBy: (attempt: PreparedAttempt) => {
      const status = statusOf(attempt);
      return async (signal: AbortSignal): Promise<string | undefined> => {
        const [inStore, inArtifact] = await Promise.all([attempt.experimentRecord.isStopped(signal), status(signal)]);
        return inStore ? 'metadata store' : inArtifact ? '_status' : undefined;
      };
    },
    lookEveryMs,
    firstLookMs,
    duties: [
      createResultsDuty({ ...use, isLast: one => ['accept', 'reject'].includes(settlement(one)) }),
      createRecordDuty({ settlementOf: settlement, now: use.now }),
    ],
  };
};
