import { whole as wholeOf, type Pieces } from '../../lib/flow/pieces.ts';

/** All of what was packed; nothing where there was nothing to pack. */
export const whole = async (packed: Buffer | Pieces | undefined): Promise<Buffer> => {
  if (packed === undefined || Buffer.isBuffer(packed)) return packed ?? Buffer.alloc(0);
  return wholeOf(packed);
};
