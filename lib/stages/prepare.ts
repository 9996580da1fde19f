import { map, type OperatorFunction } from 'rxjs';
import type { AdmittedAttempt, ExperimentRecord, MetadataDocument, PreparedAttempt } from '../model/attempt.ts';
import type { OwnedWorkspace } from '../model/workspace.ts';

export interface PrepareContext {
  /** Make the attempt's directories. */
  readonly createWorkspace: (attempt: AdmittedAttempt) => OwnedWorkspace;
  /** A new metadata document, with what is known before anything ran. */
  readonly createDocument: (attempt: AdmittedAttempt) => MetadataDocument;
  /** The experiment's record in its metadata store; nothing is asked of the store yet. */
  readonly createExperimentRecord: (attempt: AdmittedAttempt) => ExperimentRecord;
}

/**
 * Give an attempt its directories and its metadata document: from here on there is something to store, however it ends.
 * In: AdmittedAttempt. Out: PreparedAttempt; the directories go when the scope closes, and the disk is given back with them.
 * Errors: whatever the file system says (counts as `internal`).
 * Source: spec "Layout on disk".
 */
export const prepare = (use: PrepareContext): OperatorFunction<AdmittedAttempt, PreparedAttempt> =>
  map(attempt => {
    const workspace = use.createWorkspace(attempt);
    if (!workspace.stays) attempt.scope.add('workspace', () => workspace.remove());
    attempt.record.reports?.begun();
    const document = use.createDocument(attempt);
    return { ...attempt, workspace, document, experimentRecord: use.createExperimentRecord(attempt) };
  });
