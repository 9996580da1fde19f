/** Larger than any that a store sends. */
const mostHeadChars = 64 * 1024;

/** Thrown when: a reply is a refusal, or is not the bytes that were asked for. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError';
  readonly status: number | undefined;

  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

/**
 * Where the body begins, in a reply that is exactly the bytes that were asked for; undefined as long as its head is not whole.
 * @param head the beginning of the reply, a character for each byte
 * Errors: ReplyError. Source: RFC 9112, RFC 9110 "Range Requests".
 */
export const parseHead = (
  head: string,
  expected: { readonly fromByte: number; readonly bytes: number },
): number | undefined => {
  const endAt = head.indexOf('\r\n\r\n');
  if (endAt < 0) {
    if (head.length > mostHeadChars) throw new ReplyError('the head of the reply does not end');
    return undefined;
  }
  const [first = '', ...lines] = head.slice(0, endAt).split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})\b/.exec(first)?.[1];
  if (status === undefined) throw new ReplyError('the reply is no HTTP');
  const headers = new Map(
    lines.map(line => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  const { fromByte, bytes } = expected;
  if (status !== (fromByte === 0 ? '200' : '206')) throw new ReplyError(`HTTP ${status}`, Number(status));
  if (headers.has('transfer-encoding') || headers.has('content-encoding')) throw new ReplyError('the reply is encoded');
  if (headers.get('content-length') !== String(bytes)) throw new ReplyError('the reply has another length');
  const range = headers.get('content-range');
  if (fromByte > 0 && range?.startsWith(`bytes ${String(fromByte)}-`) !== true) {
    throw new ReplyError('the reply is another range');
  }
  return endAt + 4;
};
