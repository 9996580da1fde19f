import { messageOf } from '../../errors.ts';
import type { Fault } from '../account.ts';

/** As the JSON protocol names them, and as the older query protocol does. */
const codes: Readonly<Record<string, Fault>> = {
  QueueDoesNotExist: 'queue-gone',
  'AWS.SimpleQueueService.NonExistentQueue': 'queue-gone',
  ReceiptHandleIsInvalid: 'receipt-gone',
  MessageNotInflight: 'receipt-gone',
  'AWS.SimpleQueueService.MessageNotInflight': 'receipt-gone',
  AccessDenied: 'denied',
  AccessDeniedException: 'denied',
  InvalidSecurity: 'denied',
  InvalidClientTokenId: 'denied',
  UnrecognizedClientException: 'denied',
  InvalidAccessKeyId: 'denied',
  SignatureDoesNotMatch: 'denied',
  InvalidSignatureException: 'denied',
  ExpiredToken: 'denied',
  ExpiredTokenException: 'denied',
  CredentialsProviderError: 'denied',
  RequestThrottled: 'transient',
  Throttling: 'transient',
  ThrottlingException: 'transient',
  'AWS.SimpleQueueService.OverLimit': 'transient',
  OverLimit: 'transient',
  RequestTimeTooSkewed: 'transient',
};

interface SdkError {
  readonly name?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** An answer is told by its code; no answer at all (connection, time limit, 5xx) is worth another try. */
export const faultOf = (error: unknown): Fault => {
  const { name, $metadata } = error as SdkError;
  const known = codes[String(name)];
  if (known) return known;
  // An expired receipt has no code of its own.
  if (/receipt handle.*(expired|invalid)|not available for visibility/i.test(messageOf(error))) return 'receipt-gone';
  const status = $metadata?.httpStatusCode;
  return status === undefined || status >= 500 || status === 429 ? 'transient' : 'refused';
};
