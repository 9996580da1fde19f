const escapes = /~[01]/g;
const badEscape = /~(?![01])/;
const indexForm = /^(?:0|[1-9]\d*)$/;

/**
 * The reference tokens of a JSON pointer; undefined where it is none.
 * Source: RFC 6901, sections 3 and 4.
 */
export const parsePointer = (pointer: unknown): string[] | undefined => {
  if (typeof pointer !== 'string') return undefined;
  if (pointer === '') return [];
  if (!pointer.startsWith('/')) return undefined;
  const tokens = pointer.slice(1).split('/');
  if (!pointer.includes('~')) return tokens;
  if (badEscape.test(pointer)) return undefined;
  return tokens.map(token => token.replace(escapes, found => (found === '~1' ? '/' : '~')));
};

/** The array index that a token names: digits without a leading zero; undefined for every other token, `-` included. */
export const parseIndex = (token: string): number | undefined => (indexForm.test(token) ? Number(token) : undefined);
