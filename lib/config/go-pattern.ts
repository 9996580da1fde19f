const posixClasses: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  blank: '\\t ',
  digit: '0-9',
  lower: 'a-z',
  punct: '!-\\/:-@\\[-`\\{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

// Punctuation that Go lets be escaped and JavaScript's `u` flag does not.
const needlessEscape = /^["#%&',:;<=>@_`~!\s]$/;

const escapes = (_: string, escaped: string): string => {
  if (escaped === 'A') return '(?<![\\s\\S])';
  if (escaped === 'z') return '(?![\\s\\S])';
  // Outside a class the `u` flag allows no `\-`, inside it needs it: a hex escape is right in both.
  if (escaped === '-') return '\\x2d';
  return needlessEscape.test(escaped) ? escaped : `\\${escaped}`;
};

/**
 * A regular expression written for Go (RE2), as users' configurations have them, as a JavaScript one. Leading flags `(?i)`,
 * `(?s)`, `(?m)`, `\A`, `\z`, `(?P<name>…)` and `[[:alpha:]]` mean what they mean there.
 * Errors: SyntaxError where it is not valid.
 * Source: RE2 syntax.
 */
export const compileGoPattern = (text: string): RegExp => {
  const leading = /^\(\?([ims]+)\)/.exec(text);
  const source = text
    .slice(leading?.[0].length ?? 0)
    .replace(/\\(.)/gs, escapes)
    .replaceAll('(?P<', '(?<')
    .replace(/\[:(\w+):\]/g, (whole, name: string) => posixClasses[name] ?? whole);
  return new RegExp(source, [...new Set(`u${leading?.[1] ?? ''}`)].join(''));
};
