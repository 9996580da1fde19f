import { messageOf } from '../../errors.ts';
import type { Fault } from '../account.ts';

/** Numbers of gRPC's status codes. Source: grpc/doc/statuscodes.md. */
export const alreadyExists = 6;
export const deadlineExceeded = 4;
const codes: Readonly<Record<number, Fault>> = {
  3: 'refused',
  5: 'queue-gone',
  6: 'refused',
  7: 'denied',
  9: 'refused',
  11: 'refused',
  12: 'refused',
  16: 'denied',
};

export const codeOf = (error: unknown): number | undefined => {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'number' ? code : undefined;
};

/** Everything else is worth another try: no answer, no time, too many calls. */
export const faultOf = (error: unknown): Fault => {
  const words = messageOf(error);
  if (/INVALID_ACK_ID/i.test(words)) return 'receipt-gone';
  if (/default credentials|invalid_grant|DECODER/i.test(words)) return 'denied';
  return codes[codeOf(error) ?? -1] ?? 'transient';
};
