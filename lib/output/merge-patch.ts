import type { Journal } from './journal.ts';
import { define, isObject, MAX_DEPTH, memberOf, weigh, type Json, type JsonObject } from './json.ts';
import { LOG_MEMBER, OWN_MEMBER, REFUSED, TOO_DEEP } from './own-members.ts';

/** What a patch object makes of nothing: itself, without its null members. Null items of arrays stay. */
const withoutNulls = (patch: JsonObject): JsonObject => {
  const made: JsonObject = {};
  for (const name of Object.keys(patch)) {
    const value = patch[name] as Json;
    if (value !== null) define(made, name, isObject(value) ? withoutNulls(value) : value);
  }
  return made;
};

/** @param depth of `target` in the document: 0 for the root */
const merge = (
  target: JsonObject,
  patch: JsonObject,
  journal: Journal,
  depth: number,
  own: boolean,
): string | undefined => {
  // What JSON.parse made inherits nothing that `in` would see.
  for (const name in patch) {
    const value = patch[name] as Json;
    const found = memberOf(target, name);
    const guarded = own || (depth === 0 && name === OWN_MEMBER);
    if (isObject(value) && isObject(found)) {
      const fault = merge(found, value, journal, depth + 1, guarded);
      if (fault !== undefined) return `/${name}${fault}`;
      continue;
    }
    if (guarded && (found !== undefined || (depth === 1 && name === LOG_MEMBER))) return `/${name}: ${REFUSED}`;
    if (value === null) {
      if (found !== undefined) journal.removeMember(target, name);
      continue;
    }
    const weight = weigh(value, MAX_DEPTH - depth - 1);
    if (weight === Infinity) return `/${name}: ${TOO_DEEP}`;
    if (isObject(value)) {
      const made = withoutNulls(value);
      journal.setMember(target, name, made, weigh(made));
    } else {
      journal.setMember(target, name, value, weight);
    }
  }
  return undefined;
};

/**
 * Apply a JSON Merge Patch in place. Under /studioml it may only create what isn't there.
 * @returns why it can't be applied, with the path; then the caller rolls the journal back
 * Source: RFC 7396; spec "Metadata".
 */
export const applyMergePatch = (root: JsonObject, patch: JsonObject, journal: Journal): string | undefined =>
  merge(root, patch, journal, 0, false);
