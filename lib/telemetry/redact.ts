import { spellingsOf } from './spellings.ts';

/** Shorter values are not searched for: replacing them would destroy what is written. */
export const minSecretBytes = 8;

/** Takes secrets out of free text. */
export interface Redactor {
  /** Learn a secret. Returns what forgets it again; the same secret may be learned more than once. */
  readonly add: (secret: string) => () => void;
  /** The text with every known secret replaced. Costs nothing while none is known. */
  readonly redact: (text: string) => string;
}

/** Stands where a secret stood. */
export const replacement = '[redacted]';

/** A redactor that knows no secrets yet. */
export const createRedactor = (): Redactor => {
  const uses = new Map<string, number>();
  // Longest first: a secret that contains another must go as a whole.
  let needles: readonly string[] = [];
  const renew = () => {
    needles = [...new Set([...uses.keys()].flatMap(spellingsOf))].sort((a, b) => b.length - a.length);
  };
  return {
    add: secret => {
      if (Buffer.byteLength(secret) < minSecretBytes) return () => undefined;
      const before = uses.get(secret) ?? 0;
      uses.set(secret, before + 1);
      if (before === 0) renew();
      let known = true;
      return () => {
        if (!known) return;
        known = false;
        const left = (uses.get(secret) ?? 1) - 1;
        if (left > 0) {
          uses.set(secret, left);
          return;
        }
        uses.delete(secret);
        renew();
      };
    },
    redact: text => {
      let clean = text;
      for (const needle of needles) if (clean.includes(needle)) clean = clean.replaceAll(needle, replacement);
      return clean;
    },
  };
};

/** What is left of a value when every text in it is clean; the value itself where nothing had to go. */
export const redactDeep = <T>(value: T, redact: (text: string) => string): T => {
  if (typeof value === 'string') return redact(value) as T;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: unknown) => redactDeep(item, redact)) as T;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]: [string, unknown]) => [name, redactDeep(member, redact)]),
  ) as T;
};

/** The passwords inside URLs, as they are written and decoded. Texts that are no URLs have none. */
export const passwordsOf = (urls: readonly string[]): readonly string[] =>
  urls.flatMap(text => {
    const password = URL.canParse(text) ? new URL(text).password : '';
    if (password === '') return [];
    try {
      return [password, decodeURIComponent(password)];
    } catch {
      // Not percent-encoded: it is the password itself.
      return [password];
    }
  });
