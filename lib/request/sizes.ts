const prefixes = 'kmgtp';
const size = /^(\d+(?:\.\d*)?|\.\d+) *(?:([kmgtp])(i?))?b?$/i;

/** No size that people write is longer; keeps matching cheap whatever comes. */
const maxLength = 64;

/** What `parseSize` takes, for messages: `expected e.g. …`. */
export const sizeExamples = '3gb, 512mib, 0';

/**
 * A size as people write it, in bytes, rounded up: `3g`, `3gb`, `1.5tb` count in powers of 1000, `3gi`, `512mib` in powers of
 * 1024, a bare number is bytes. Undefined where the text is none, or more than an exact number of bytes can hold.
 * Source: spec "Clear-text request".
 */
export const parseSize = (text: string): number | undefined => {
  if (text.length > maxLength) return undefined;
  const [, amount, prefix = '', binary] = size.exec(text.trim()) ?? [];
  if (amount === undefined) return undefined;
  const power = prefix === '' ? 0 : prefixes.indexOf(prefix.toLowerCase()) + 1;
  const product = Number(amount) * (binary ? 1024 : 1000) ** power;
  // 1.1 * 1000 ** 3 is 1100000000.0000002 in floating point: that is not a byte more.
  const bytes = Number.isInteger(product) ? product : Math.ceil(Number(product.toPrecision(15)));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
};

/** Bytes for people, with one decimal at most, as `parseSize` reads it: `512b`, `1.5gb`. Powers of 1000. */
export const formatSize = (bytes: number): string => {
  let amount = bytes;
  let power = 0;
  // 999950 would be written 1000kb: it is 1mb.
  while (Math.round(amount * 10) / 10 >= 1000 && power < prefixes.length) {
    amount /= 1000;
    power += 1;
  }
  return `${String(Math.round(amount * 10) / 10)}${prefixes.charAt(power - 1)}b`;
};
