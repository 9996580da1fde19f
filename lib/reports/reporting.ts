import type { KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { openKeyDirectory } from '../crypto/key-directory.ts';
import { readRsaPublicKey } from '../crypto/rsa-public-key.ts';
import type { Sealer } from '../crypto/seal.ts';
import { createPace } from '../flow/pace.ts';
import type { AttemptReports, RequestedAttempt } from '../model/attempt.ts';
import { responseQueueOf, type Reporter } from '../queues/queue.ts';
import type { Emit } from '../telemetry/events.ts';
import { createAttemptReports } from './attempt-reports.ts';

export interface ReportingSettings {
  /** Public keys that reports are sealed with, each file named with a response queue name's beginning. */
  readonly keysDirectory: string;
  readonly emit: Emit;
  /** Takes secrets out of a text in a report. */
  readonly redact: (text: string) => string;
  /** How long the last reports of an attempt may take, ms. */
  readonly deadlineMs: number;
  readonly now: () => number;
}

/** What is reported of attempts, for all queues of a runner. */
export interface Reporting {
  /** Who tells of this attempt; undefined where nobody can listen: its queue's driver has no responses, or there is no directory of keys. */
  readonly open: (
    attempt: Pick<RequestedAttempt, 'request' | 'identity' | 'delivery' | 'record'>,
    reporter: Reporter | undefined,
  ) => AttemptReports | undefined;
  readonly close: () => void;
}

/** For all attempts together: about a fourteenth of a core. */
const reportsPerSecond = 100;

/** Loaded with the first report: a runner without listeners stays small. */
const load = async () => {
  const [{ encodeReport }, { createSealer }] = await Promise.all([import('./encode.ts'), import('../crypto/seal.ts')]);
  return { encodeReport, createSealer };
};

/** Reports of attempts, sealed with the key of each response queue. Source: spec "Reports". */
export const createReporting = async (settings: ReportingSettings): Promise<Reporting> => {
  const { keysDirectory, emit, redact, deadlineMs, now } = settings;
  const keys = await openKeyDirectory({ directory: keysDirectory, read: readRsaPublicKey, emit });
  const pace = createPace(reportsPerSecond);
  const sealers = new WeakMap<KeyObject, Sealer>();
  const told = new Set<string>();
  let loaded: ReturnType<typeof load> | undefined;

  const keyFor = (queue: string): KeyObject | undefined => {
    const file = keys.find(queue);
    if (file?.type === 'key') {
      told.delete(queue);
      return file.key;
    }
    if (!told.has(queue)) {
      const why = file?.fault ?? `no file in ${keysDirectory} is named with its beginning`;
      emit('reports-off', { why: `${queue} has no key: ${why}` });
      told.add(queue);
    }
    return undefined;
  };

  return {
    open: ({ request, identity, delivery, record }, reporter) => {
      const { name } = delivery.queue;
      // A runner without that directory was never meant to report.
      if (!reporter || (keys.files.length === 0 && !existsSync(keysDirectory))) return undefined;
      const responses = responseQueueOf(name);
      const origin = { experimentId: request.key, uniqueId: identity.accession, executorId: identity.host };
      return createAttemptReports({
        queueName: name,
        takenAtMs: identity.startedAtMs,
        // Keys come, change and go while an attempt runs.
        seal: async report => {
          const key = keyFor(responses);
          if (!key) return undefined;
          const { encodeReport, createSealer } = await (loaded ??= load());
          const seal = sealers.get(key) ?? createSealer(key);
          sealers.set(key, seal);
          return seal(Buffer.from(encodeReport(origin, report, redact)));
        },
        publish: (body, signal) => reporter.publish(body, signal),
        // Without a key there is no RSA step that would need its turn.
        pace: signal => (keys.find(responses)?.type === 'key' ? pace(signal) : Promise.resolve()),
        deadlineMs,
        now,
        onFailure: error => {
          emit('report-failed', { error }, record);
        },
        onLost: (lost, error) => {
          emit('reports-lost', { lost, error }, record);
        },
      });
    },
    close: keys.close,
  };
};
