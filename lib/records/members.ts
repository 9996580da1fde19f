/** Where the value of a member stands in the text. */
interface Span {
  readonly start: number;
  readonly end: number;
}

const blank = /[\t\n\r ]*/y;
const string = /"(?:[^"\\]|\\.)*"/sy;
/** A number or a word; Python's `NaN` and `Infinity` too, which JSON.parse refuses. */
const word = /[^\t\n\r ,:[\]{}"]+/y;

/** Where the match of a sticky pattern ends; undefined where there is none. */
const after = (pattern: RegExp, text: string, at: number): number | undefined => {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
};

/** Where the value that begins at `at` ends. */
const endOfValue = (text: string, at: number): number | undefined => {
  const first = text.charAt(at);
  if (first !== '{' && first !== '[') return after(first === '"' ? string : word, text, at);
  let open = 0;
  for (let here = at; here < text.length;) {
    const one = text.charAt(here);
    if (one === '"') {
      const end = after(string, text, here);
      if (end === undefined) return undefined;
      here = end;
      continue;
    }
    here += 1;
    if (one === '{' || one === '[') open += 1;
    else if ((one === '}' || one === ']') && --open === 0) return here;
  }
  return undefined;
};

const skip = (text: string, at: number): number => after(blank, text, at) ?? at;

/** The members of the outermost object, and where it closes; undefined where the text is no whole object. */
const spansOf = (text: string): { readonly members: Map<string, Span>; readonly close: number } | undefined => {
  const members = new Map<string, Span>();
  let at = skip(text, 0);
  if (text.charAt(at) !== '{') return undefined;
  do {
    at = skip(text, at + 1);
    if (text.charAt(at) === '}' && members.size === 0) break;
    const nameEnd = after(string, text, at);
    if (nameEnd === undefined) return undefined;
    const name = text.slice(at, nameEnd);
    at = skip(text, nameEnd);
    if (text.charAt(at) !== ':') return undefined;
    const start = skip(text, at + 1);
    const end = endOfValue(text, start);
    if (end === undefined) return undefined;
    members.set(JSON.parse(name) as string, { start, end });
    at = skip(text, end);
  } while (text.charAt(at) === ',');
  return text.charAt(at) === '}' && skip(text, at + 1) === text.length ? { members, close: at } : undefined;
};

/** Whether a text is an object from its beginning to its end. A client may be in the middle of writing it. */
export const isWholeObject = (text: string): boolean => spansOf(text) !== undefined;

/** A member that is a string; undefined where it is not. */
export const stringMember = (text: string, name: string): string | undefined => {
  const span = spansOf(text)?.members.get(name);
  const value = span && text.slice(span.start, span.end);
  return value?.startsWith('"') ? (JSON.parse(value) as string) : undefined;
};

/**
 * The text of an object with some of its members set. Everything else stays letter by letter, numbers that JavaScript can't hold
 * and Python's NaN included.
 * @param text a whole object
 */
export const withMembers = (text: string, changes: Readonly<Record<string, string | number>>): string => {
  const spans = spansOf(text);
  if (!spans) return text;
  const { members, close } = spans;
  const edits = Object.entries(changes).flatMap(([name, value]) => {
    const span = members.get(name);
    return span ? [{ ...span, value: JSON.stringify(value) }] : [];
  });
  const added = Object.entries(changes)
    .filter(([name]) => !members.has(name))
    .map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  if (added.length > 0) {
    edits.push({ start: close, end: close, value: (members.size > 0 ? ', ' : '') + added.join(', ') });
  }
  // From behind, so that what stands before keeps its place.
  return edits
    .sort((a, b) => b.start - a.start)
    .reduce((done, { start, end, value }) => done.slice(0, start) + value + done.slice(end), text);
};
