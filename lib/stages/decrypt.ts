import { mergeMap, type OperatorFunction } from 'rxjs';
import type { ClusterKey } from '../crypto/cluster-key.ts';
import { openPayload } from '../crypto/open-envelope.ts';
import { AttemptError } from '../errors.ts';
import type { OpenedAttempt, VerifiedAttempt } from '../model/attempt.ts';
import type { Envelope } from '../model/envelope.ts';
import { readMessage } from '../request/envelope.ts';
import type { Emit } from '../telemetry/events.ts';

/** The cluster's private keys. Implemented by crypto/keyring.ts. */
export interface ClusterKeys {
  /** The newest first. */
  readonly keys: readonly ClusterKey[];
  /** Look for newer ones now. */
  readonly look: () => Promise<void>;
}

export interface DecryptContext {
  readonly emit: Emit;
  readonly clusterKeys: ClusterKeys;
  /** What was sealed and is larger is refused. */
  readonly maxMessageBytes: number;
}

const isNoKey = (error: unknown): boolean => error instanceof AttemptError && error.code === 'no-key';

/** What is sealed in the payload. A key that was swapped a moment ago may be the one that it is sealed for. */
const open = async ({ payload }: Envelope, clusterKeys: ClusterKeys): Promise<Buffer> => {
  const { keys } = clusterKeys;
  try {
    return await openPayload(payload, keys);
  } catch (error) {
    if (!isNoKey(error)) throw error;
    await clusterKeys.look();
    if (clusterKeys.keys === keys) throw error;
    return openPayload(payload, clusterKeys.keys);
  }
};

/**
 * Open a sealed message; clear text passes.
 * In: VerifiedAttempt. Out: OpenedAttempt with the message as parsed JSON; the envelope is let go.
 * Errors: `no-key` where it is sealed for another key (given back); `unopenable`, `malformed`, `not-a-request` (rejected).
 * Source: spec "Encrypted request".
 */
export const decrypt = (use: DecryptContext): OperatorFunction<VerifiedAttempt, OpenedAttempt> =>
  mergeMap(async ({ content, ...attempt }) => {
    if (content.type === 'clear') return { ...attempt, message: content.value, sealed: false };
    const { record } = attempt;
    const startedAtMs = performance.now();
    const { clear } = content.envelope;
    const plain = await open(content.envelope, use.clusterKeys).catch((error: unknown) => {
      if (clear.timeAddedSeconds !== undefined) record.timeAddedSeconds = clear.timeAddedSeconds;
      throw error;
    });
    const inside = readMessage(plain, use.maxMessageBytes);
    if (inside.type === 'envelope') throw new AttemptError('unopenable', 'there is an envelope in the envelope');
    use.emit('opened', { durationMs: performance.now() - startedAtMs }, record);
    return { ...attempt, message: inside.value, sealed: true };
  });
