import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AttemptError } from '../errors.ts';
import { graceAfter } from '../flow/grace-after.ts';
import type { PreparedAttempt, StoredAttempt } from '../model/attempt.ts';
import type { Artifact } from '../model/experiment.ts';
import { withoutUrlSecrets } from '../request/without-credentials.ts';
import type { ObjectLocation } from '../storage/object-store.ts';
import { withRetry } from '../storage/retry.ts';
import type { Emit } from '../telemetry/events.ts';
import { packDirectory } from '../workspace/pack.ts';
import { transferFailure } from '../workspace/transfer-failure.ts';

export interface ResultsContext {
  readonly locate: (artifact: Artifact, attempt: PreparedAttempt) => ObjectLocation | undefined;
  readonly emit: Emit;
  /** Whether this end is the experiment's last: then its results are complete. */
  readonly isLast: (attempt: StoredAttempt) => boolean;
  /** Time that it has once the attempt was told to stop, ms. */
  readonly stopUploadMs: number;
}

const label = '_results';
const fileName = '_results.json';
/** About an hour, with waits of 15 s on average. */
const patience = { attempts: 250, maxMs: 30_000 };

const contentOf = ({ request, identity, end }: StoredAttempt): string => {
  const artifacts = [...request.artifacts.values()]
    .filter(one => one.label !== label)
    .map(one => [one.label, { name: one.key ?? withoutUrlSecrets(one.qualified ?? '') }] as const);
  return JSON.stringify({
    exit_msg: end.message,
    experiment_id: request.key,
    host: identity.host,
    artifacts: Object.fromEntries(artifacts),
  });
};

/** As its key asks for it: the file itself, or packed as other artifacts are. */
const bodyOf = async (attempt: StoredAttempt, key: string) => {
  const content = contentOf(attempt);
  if (key.endsWith('.json')) return Buffer.from(content);
  const directory = join(attempt.workspace.runner, 'results');
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, fileName), content);
  return packDirectory(directory, key);
};

/**
 * The duty to store `_results`, the client's sign that all is stored, after everything else; nothing where the request has no
 * such artifact, or where another attempt comes.
 * Errors: `store-fault`, `access-denied`, as for other artifacts: the message is not acknowledged then.
 * Source: spec "Special artifacts".
 */
export const createResultsDuty = (use: ResultsContext) => ({
  name: 'results',
  run: async (attempt: StoredAttempt): Promise<void> => {
    const artifact = attempt.request.artifacts.get(label);
    if (!artifact || !use.isLast(attempt)) return;
    const location = use.locate(artifact, attempt);
    if (!location) return;
    const { store, key } = location;
    const grace = graceAfter(attempt.signal, use.stopUploadMs);
    grace.start();
    const { signal } = grace;
    const about = attempt.record;
    try {
      const put = async () => {
        const body = await bodyOf(attempt, key);
        if (body) await store.put(key, body, { signal });
      };
      await withRetry(put, {
        signal,
        emit: use.emit,
        about,
        operation: 'put',
        object: `${store.name}/${key}`,
        ...patience,
      });
    } catch (error) {
      throw error instanceof AttemptError ? error : transferFailure(error, 'stage out', label, location);
    } finally {
      grace.close();
    }
  },
});
