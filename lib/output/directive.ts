import { isObject, type Json, type JsonObject } from './json.ts';

/** A line of stdout that changes the metadata document. */
export type Directive =
  | { readonly type: 'merge'; readonly patch: JsonObject }
  | { readonly type: 'patch'; readonly operations: readonly JsonObject[] };

const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const QUOTE = 0x22;
const SPACE = 0x20;
const TAB = 0x09;

const isOperation = (value: Json): value is JsonObject => isObject(value) && Object.hasOwn(value, 'op');

/**
 * Whether a line is worth parsing: `[INFO] …` and `{'a': 1}` are output too, and a JSON.parse that throws costs as much as
 * twenty that don't.
 */
const looksLikeDirective = (line: string): boolean => {
  const first = line.charCodeAt(0);
  if ((first !== OPEN_OBJECT && first !== OPEN_ARRAY) || line.length < 3) return false;
  const last = line.charCodeAt(line.length - 1);
  const second = line.charCodeAt(1);
  if (first === OPEN_OBJECT) return (second === QUOTE || second <= SPACE) && (last === CLOSE_OBJECT || last <= SPACE);
  return (second === OPEN_OBJECT || second <= SPACE) && (last === CLOSE_ARRAY || last <= SPACE);
};

const startsWithBlank = (line: string): boolean => {
  const first = line.charCodeAt(0);
  return first === SPACE || first === TAB;
};

const hasMembers = (object: JsonObject): boolean => {
  for (const name in object) if (Object.hasOwn(object, name)) return true;
  return false;
};

/**
 * The directive that a line is, or undefined for text: an object is a merge patch, an array of operations a JSON patch.
 * Source: spec "Metadata".
 */
export const readDirective = (line: string): Directive | undefined => {
  const text = startsWithBlank(line) ? line.trim() : line;
  if (!looksLikeDirective(text)) return undefined;
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
  if (Array.isArray(value)) {
    return value.length > 0 && value.every(isOperation) ? { type: 'patch', operations: value } : undefined;
  }
  return isObject(value) && hasMembers(value) ? { type: 'merge', patch: value } : undefined;
};
