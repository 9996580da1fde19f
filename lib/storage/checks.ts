import { createHash } from 'node:crypto';
import type { BodyCheck } from './object-store.ts';

const differs = (found: string, expected: string): string | undefined =>
  found === expected ? undefined : `its MD5 is ${found}, the store says ${expected}`;

/** @param expected MD5 of the whole object, hexadecimal */
export const md5Check = (expected: string): BodyCheck => {
  const hash = createHash('md5');
  return { update: chunk => void hash.update(chunk), fault: () => differs(hash.digest('hex'), expected) };
};

/**
 * Of an object that was stored in parts: the MD5 of their MD5s.
 * @param expected hexadecimal @param partBytes of each part but the last
 */
export const md5OfPartsCheck = (expected: string, partBytes: number): BodyCheck => {
  const whole = createHash('md5');
  let part = createHash('md5');
  let left = partBytes;
  const endPart = () => {
    whole.update(part.digest());
    part = createHash('md5');
    left = partBytes;
  };
  return {
    update: chunk => {
      for (let at = 0; at < chunk.length;) {
        // A part that is full ends when more comes: the last one may be full as well.
        if (left === 0) endPart();
        const piece = chunk.subarray(at, at + left);
        part.update(piece);
        at += piece.length;
        left -= piece.length;
      }
    },
    fault: () => {
      endPart();
      return differs(whole.digest('hex'), expected);
    },
  };
};
