import { PrefixTree } from './prefix-tree.ts';
import { spellingsOf } from './spellings.ts';

/** Shorter values are not searched for: replacing them would destroy what is written. */
export const minSecretBytes = 8;

/** Takes secrets out of free text. */
export interface Redactor {
  /** Learn a secret, at a cost that does not depend on how many are known. Returns what forgets it again; the same secret may be learned more than once. */
  readonly add: (secret: string) => () => void;
  /** The text with every known secret replaced: in time that its length sets, not the number of secrets. */
  readonly redact: (text: string) => string;
}

/** Stands where a secret stood. */
export const replacement = '[redacted]';
const stand = Buffer.from(replacement);

/** A redactor that knows no secrets yet. */
export const createRedactor = (): Redactor => {
  const known = new PrefixTree();
  return {
    add: secret => {
      if (Buffer.byteLength(secret) < minSecretBytes) return () => undefined;
      let spellings = spellingsOf(secret).map(text => Buffer.from(text));
      for (const spelling of spellings) known.add(spelling);
      return () => {
        for (const spelling of spellings) known.delete(spelling);
        spellings = [];
      };
    },
    redact: text => {
      if (known.size === 0) return text;
      const bytes = Buffer.from(text);
      const parts: Buffer[] = [];
      let done = 0;
      for (let at = 0; at < bytes.length; at++) {
        const length = known.longestAt(bytes, at);
        if (length === 0) continue;
        // One that begins within another goes with it.
        if (at >= done) parts.push(bytes.subarray(done, at), stand);
        done = Math.max(done, at + length);
      }
      return done === 0 ? text : Buffer.concat([...parts, bytes.subarray(done)]).toString();
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
