import { mergeMap, type OperatorFunction } from 'rxjs';
import type { KeyFile, Unlisted } from '../crypto/key-directory.ts';
import type { SenderKey } from '../crypto/sender-key.ts';
import { verifyEnvelope } from '../crypto/signature.ts';
import { AttemptError } from '../errors.ts';
import type { TakenAttempt, VerifiedAttempt } from '../model/attempt.ts';
import { readMessage } from '../request/envelope.ts';
import { tooLarge } from '../request/json-body.ts';
import type { Emit } from '../telemetry/events.ts';

export interface VerifyContext {
  readonly emit: Emit;
  /** Whether requests that are not encrypted are accepted, on queues that have no sender's key. */
  readonly clearTextMessages: boolean;
  /** Bodies above this are refused unread. */
  readonly maxMessageBytes: number;
  /** The sender's key of a queue, where it has one. */
  readonly senderKey: (queue: string) => KeyFile<SenderKey> | Unlisted | undefined;
}

/** Anybody may have written what an envelope names as its key. */
const maxShown = 64;

const refuseClear = (why: string): never => {
  throw new AttemptError('clear-text-refused', `the request is not encrypted, and ${why}`);
};

/** The key to check with. The runner leaves queues alone that have none: where it is missing here, it has just gone. */
const keyOf = (sender: ReturnType<VerifyContext['senderKey']>, use: VerifyContext): SenderKey => {
  if (sender?.type === 'key') return sender.key;
  const why = sender?.fault ?? 'there is no key of a sender for its queue';
  throw new AttemptError(use.clearTextMessages && !sender ? 'bad-signature' : 'no-key', why);
};

/**
 * Read a message and let it pass when it may be opened: an envelope that its queue's sender has signed, or clear text where that
 * is accepted. This costs little and comes before the RSA step: what anybody can send must not cost what opening costs.
 * In: TakenAttempt. Out: VerifiedAttempt.
 * Errors: `too-large`, `malformed`, `not-a-request`, `clear-text-refused`, `bad-signature`; `no-key` where the sender's key has
 * just gone, or nobody knows whether there is one (given back).
 * Source: spec "Encrypted request", Signature.
 */
export const verify = (use: VerifyContext): OperatorFunction<TakenAttempt, VerifiedAttempt> =>
  mergeMap(async attempt => {
    const { delivery, record } = attempt;
    if (delivery.unreadBytes !== undefined) throw tooLarge(delivery.unreadBytes, use.maxMessageBytes);
    const content = readMessage(delivery.body, use.maxMessageBytes);
    const sender = use.senderKey(delivery.queue.name);
    if (content.type === 'clear') {
      if (sender?.type === 'unlisted') throw new AttemptError('no-key', sender.fault);
      if (sender) refuseClear('its queue has the key of a sender');
      if (!use.clearTextMessages) refuseClear('CLEAR_TEXT_MESSAGES is false');
      return { ...attempt, content };
    }
    const key = keyOf(sender, use);
    const { fingerprintMatches } = await verifyEnvelope(content.envelope, key);
    if (!fingerprintMatches) {
      const found = (content.envelope.fingerprint ?? '').slice(0, maxShown);
      use.emit('fingerprint-mismatch', { found, expected: key.fingerprint }, record);
    }
    return { ...attempt, content };
  });
