/** Shorter values are not searched for: replacing them would destroy what is written. */
export const minSecretBytes = 8;

/** Takes secrets out of free text. */
export interface Redactor {
  /** Learn a secret. Returns what forgets it again; the same secret may be learned more than once. */
  readonly add: (secret: string) => () => void;
  /** The text with every known secret replaced. Costs nothing while none is known. */
  readonly redact: (text: string) => string;
}

const replacement = '[redacted]';

/** A secret as it may stand in a text: plain, as JSON writes it, and URL-encoded in the two ways that are in use. */
const spellings = (secret: string): readonly string[] => {
  const plain = secret.toWellFormed();
  const percent = encodeURIComponent(plain);
  return [...new Set([secret, JSON.stringify(secret).slice(1, -1), percent, encodeURI(plain)])];
};

/** A redactor that knows no secrets yet. */
export const createRedactor = (): Redactor => {
  const uses = new Map<string, number>();
  // Longest first: a secret that contains another must go as a whole.
  let needles: readonly string[] = [];
  const renew = () => {
    needles = [...new Set([...uses.keys()].flatMap(spellings))].sort((a, b) => b.length - a.length);
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
