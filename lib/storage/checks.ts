import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { crc64, type Crc64 } from './crc64.ts';
import type { BodyCheck, Digest } from './object-store.ts';

const differs = (name: string, found: string, expected: string): string | undefined =>
  found === expected ? undefined : `its ${name} is ${found}, the store says ${expected}`;

/** @param expected MD5 of the whole object, hexadecimal */
export const md5Check = (expected: string): BodyCheck => {
  const hash = createHash('md5');
  return {
    digest: { type: 'md5', expected },
    update: chunk => void hash.update(chunk),
    fault: () => differs('MD5', hash.digest('hex'), expected),
  };
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
    digest: { type: 'md5-of-parts', expected, partBytes },
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
      return differs('MD5', whole.digest('hex'), expected);
    },
  };
};

/** @param expected CRC-32 of the whole object, hexadecimal */
export const crc32Check = (expected: string): BodyCheck => {
  let sum = 0;
  return {
    digest: { type: 'crc32', expected },
    update: chunk => {
      sum = crc32(chunk, sum);
    },
    fault: () => differs('CRC-32', sum.toString(16).padStart(8, '0'), expected),
  };
};

/** @param expected CRC-64/NVME of the whole object, hexadecimal @param sumOf how it is computed */
export const crc64Check = (expected: string, sumOf: Crc64 = crc64): BodyCheck => {
  let sum = 0n;
  return {
    digest: { type: 'crc64', expected },
    update: chunk => {
      sum = sumOf(chunk, sum);
    },
    fault: () => differs('CRC-64', sum.toString(16).padStart(16, '0'), expected),
  };
};

/** The check that a digest asks for, in whatever thread. @param crc64Of how a CRC-64 is computed there */
export const checkFor = (digest: Digest, crc64Of?: () => Crc64): BodyCheck => {
  switch (digest.type) {
    case 'md5':
      return md5Check(digest.expected);
    case 'md5-of-parts':
      return md5OfPartsCheck(digest.expected, digest.partBytes);
    case 'crc32':
      return crc32Check(digest.expected);
    case 'crc64':
      return crc64Check(digest.expected, crc64Of?.());
    default:
      return digest satisfies never;
  }
};
