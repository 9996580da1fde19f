import { mergeMap, type OperatorFunction } from 'rxjs';
import { AttemptError } from '../errors.ts';
import type { OpenedAttempt, TakenAttempt } from '../model/attempt.ts';
import { readMessage } from '../request/envelope.ts';

export interface DecryptContext {
  /** Whether requests that are not encrypted are accepted. */
  readonly clearTextMessages: boolean;
  /** Bodies above this are refused unread. */
  readonly maxMessageBytes: number;
}

/**
 * Read a message: a clear-text request, or an envelope that would have to be opened first.
 * In: TakenAttempt. Out: OpenedAttempt with the message as parsed JSON.
 * Errors: `too-large`, `malformed`, `clear-text-refused`; `no-key` for an envelope (given back for runners that hold its key).
 * Source: spec "Encrypted request".
 */
export const decrypt = (use: DecryptContext): OperatorFunction<TakenAttempt, OpenedAttempt> =>
  mergeMap(async attempt => {
    const message = readMessage(attempt.delivery.body, use.maxMessageBytes);
    switch (message.type) {
      case 'envelope':
        throw new AttemptError('no-key', 'the message is sealed, and this runner holds no cluster key to open it with');
      case 'clear':
        if (use.clearTextMessages) return { ...attempt, message: message.value, sealed: false };
        throw new AttemptError('clear-text-refused', 'the request is not encrypted, and CLEAR_TEXT_MESSAGES is false');
      default:
        return message satisfies never;
    }
  });
