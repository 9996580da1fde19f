import type { Pieces } from '../../lib/flow/pieces.ts';

/** All of a body, copied piece by piece: each is only lent. */
export const whole = async (body: Buffer | Pieces | undefined): Promise<Buffer> => {
  if (body === undefined || Buffer.isBuffer(body)) return body ?? Buffer.alloc(0);
  const copies: Buffer[] = [];
  for await (const piece of body) copies.push(Buffer.from(piece));
  return Buffer.concat(copies);
};
