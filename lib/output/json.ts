/** Values as JSON.parse makes them. Members are read with `memberOf` and written with `define`, never through a prototype. */
export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [member: string]: Json;
}

/** Levels of nesting that a document may have. Python's own parser gives up at about 1000. */
export const MAX_DEPTH = 256;

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The member of that name, or undefined. What an object inherits is no member: all of that are functions, which JSON has not,
 * and `__proto__`. (A hasOwn for each look-up would cost more than the rest of most directives.)
 */
export const memberOf = (object: JsonObject, name: string): Json | undefined => {
  if (name === '__proto__' && !Object.hasOwn(object, name)) return undefined;
  const value = object[name];
  return typeof value === 'function' ? undefined : value;
};

/** Set a member, also one named `__proto__`, which an assignment would take for the prototype. */
export const define = (object: JsonObject, name: string, value: Json): void => {
  if (name === '__proto__') {
    Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  } else {
    object[name] = value;
  }
};

/** Bytes that a member of this name takes in memory, without its value. An estimate, the same whenever it is asked. */
export const memberWeight = (name: string): number => 32 + name.length;

/**
 * Bytes that a value takes in memory: an estimate, always the same for equal values.
 * @param depth levels that are left; a value that is nested deeper weighs Infinity
 * @param enough stop counting above this
 */
export const weigh = (value: Json, depth = Infinity, enough = Infinity): number => {
  if (typeof value === 'string') return 24 + value.length;
  if (typeof value !== 'object' || value === null) return 16;
  if (depth <= 0) return Infinity;
  let total = 48;
  if (Array.isArray(value)) {
    for (const item of value) {
      total += weigh(item, depth - 1, enough - total);
      if (total > enough) break;
    }
    return total;
  }
  for (const name of Object.keys(value)) {
    total += memberWeight(name) + weigh(value[name] as Json, depth - 1, enough - total);
    if (total > enough) break;
  }
  return total;
};

/** A deep copy. The caller has bounded its depth. */
export const cloneJson = (value: Json): Json => {
  if (Array.isArray(value)) return value.map(cloneJson);
  if (!isObject(value)) return value;
  const copy: JsonObject = {};
  for (const name of Object.keys(value)) define(copy, name, cloneJson(value[name] as Json));
  return copy;
};

/** Equal as RFC 6902, section 4.6, says: numbers by value, arrays in order, objects by their members. */
export const jsonEqual = (a: Json, b: Json): boolean => {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, at) => jsonEqual(item, b[at] as Json));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every(name => Object.hasOwn(b, name) && jsonEqual(a[name] as Json, b[name] as Json))
  );
};
