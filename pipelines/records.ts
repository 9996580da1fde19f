import { join } from 'node:path';
import { messageOf } from '../lib/errors.ts';
import type {
  AdmittedAttempt,
  ExperimentRecord,
  FinishedAttempt,
  PreparedAttempt,
  StoredAttempt,
} from '../lib/model/attempt.ts';
import type { Artifact } from '../lib/model/experiment.ts';
import type { Cause } from '../lib/model/outcome.ts';
import { createExperimentRecord, noRecord } from '../lib/records/experiment-record.ts';
import { createRecordDuty } from '../lib/records/record-duty.ts';
import { createResultsDuty } from '../lib/records/results.ts';
import { createStatusArtifact } from '../lib/records/status-artifact.ts';
import type { Duty } from '../lib/stages/conclude.ts';
import { settlementOf } from '../lib/stages/settlements.ts';
import type { ObjectLocation } from '../lib/storage/object-store.ts';
import type { Emit } from '../lib/telemetry/events.ts';

/** What tells where the record of an experiment is. */
type Recorded = Pick<AdmittedAttempt, 'request' | 'delivery' | 'record'>;

export interface RecordsContext {
  readonly emit: Emit;
  readonly host: string;
  readonly now: () => number;
  readonly maxAttempts: number;
  readonly unplacedAfterMs: number;
  readonly stopUploadMs: number;
  readonly locate: (artifact: Artifact, attempt: PreparedAttempt) => ObjectLocation | undefined;
  /** Where the metadata object of an experiment is. May throw an AttemptError. */
  readonly locateDatabase: (attempt: Recorded) => ObjectLocation | undefined;
}

/** Source: spec "Metadata store". */
const lookEveryMs = 10_000;
const firstLookMs = 5000;

/** Ends that say nothing of the experiment: another attempt of it speaks for it. */
const ofOthers: ReadonlySet<Cause> = new Set(['already-done', 'duplicate', 'lease-lost']);
const unlessOfOthers = (duty: Duty): Duty => ({
  name: duty.name,
  run: async attempt => {
    if (!ofOthers.has(attempt.end.cause)) await duty.run(attempt);
  },
});
/** So often the last word is tried where the store does not answer. */
const lastTries = 4;

/** What the stages need to keep an experiment's record in the metadata store, and to see that its user cancelled it. */
export const recordsOf = (use: RecordsContext) => {
  const { emit } = use;
  const settlement = (attempt: StoredAttempt) => settlementOf(attempt, use, () => 0).type;

  const createRecord = (attempt: Recorded): ExperimentRecord => {
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

  /** An attempt that ended before it had a record, or whose results could not be stored: nobody waits for it for ever. */
  const concludeEarly = async (attempt: FinishedAttempt): Promise<void> => {
    const { request, began } = attempt.record;
    if (!request || ofOthers.has(attempt.end.cause)) return;
    const type = settlementOf(attempt, use, () => 0).type;
    const record = () => createRecord({ ...attempt, request });
    if (type === 'accept' || type === 'reject')
      await record().set({ status: 'finished', finishedAtMs: use.now() }, lastTries);
    else if (began && type !== 'none') await record().set({ status: 'waiting' }, lastTries);
  };

  return {
    concludeEarly,
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
    ].map(unlessOfOthers),
  };
};
