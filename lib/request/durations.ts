const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // U+00B5, micro sign
  μs: 1e-3, // U+03BC, Greek mu
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const number = String.raw`(?:\d+(?:\.\d*)?|\.\d+)`;
const unit = '(?:ns|us|µs|μs|ms|s|m|h|d)';
const whole = new RegExp(`^(?:${number}${unit})+$`);
const part = new RegExp(`(${number})(${unit})`, 'g');

/** No duration that people write is longer; keeps matching cheap whatever comes. */
const maxLength = 64;

/** What `parseDuration` takes, for messages: `expected e.g. …`. */
export const durationExamples = '90s, 20m, 1h30m, 2d';

/**
 * A duration as people and clients write it, in ms, rounded: numbers with units from ns to d, one after the other, or `0`.
 * Undefined where the text is none: no unit, a sign, more than a number of ms can hold. Letter case doesn't count, as in the
 * Python client.
 * Source: Go's time.ParseDuration, spec "Clear-text request" (`2d`).
 */
export const parseDuration = (text: string): number | undefined => {
  if (text.length > maxLength) return undefined;
  const plain = text.trim().toLowerCase();
  if (plain === '0') return 0;
  if (!whole.test(plain)) return undefined;
  let ms = 0;
  for (const [, amount, name] of plain.matchAll(part)) ms += Number(amount) * (unitMs[name ?? ''] ?? 0);
  const rounded = Math.round(ms);
  return Number.isSafeInteger(rounded) ? rounded : undefined;
};
