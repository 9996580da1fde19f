import type { Journal } from './journal.ts';
import { cloneJson, isObject, jsonEqual, MAX_DEPTH, memberOf, weigh, type Json, type JsonObject } from './json.ts';
import { parseIndex, parsePointer } from './json-pointer.ts';
import { holdsLog, isLog, isOwn, REFUSED, TOO_DEEP } from './own-members.ts';

/** Estimated bytes that the copies of one patch may add, and that a move into the depth may carry: about one long line. */
const COPY_LIMIT_BYTES = 1024 * 1024;

const ABSENT = 'no such member or item';
const NO_VALUE = 'value is missing';
const NO_FROM = 'from is not a JSON pointer';
const LOG_ONLY = 'the log and what holds it can only be appended to';

interface PatchTarget {
  readonly root: JsonObject;
  readonly journal: Journal;
  readonly log: Json[];
  /** What the copies of this patch may still add. */
  copyLeftBytes: number;
}

type Tokens = readonly string[];

const childOf = (parent: Json | undefined, token: string): Json | undefined => {
  if (Array.isArray(parent)) {
    const index = parseIndex(token);
    return index === undefined ? undefined : parent[index];
  }
  return isObject(parent) ? memberOf(parent, token) : undefined;
};

const find = (root: Json, tokens: Tokens, length: number): Json | undefined => {
  let value: Json | undefined = root;
  for (let at = 0; at < length && value !== undefined; at++) value = childOf(value, tokens[at] as string);
  return value;
};

/** @param weight as for Journal.setMember */
const add = (target: PatchTarget, tokens: Tokens, value: Json, weight: number): string | undefined => {
  if (weight === Infinity) return TOO_DEEP;
  const own = isOwn(tokens);
  if (own && isLog(tokens)) {
    if (tokens.length !== 3 || tokens[2] !== '-') return LOG_ONLY;
    target.log.push(value);
    return undefined;
  }
  const last = tokens.at(-1);
  if (last === undefined) return REFUSED;
  const parent = find(target.root, tokens, tokens.length - 1);
  if (Array.isArray(parent)) {
    const index = last === '-' ? parent.length : parseIndex(last);
    if (index === undefined || index > parent.length) return 'no such place in the array';
    if (own && index < parent.length) return REFUSED;
    target.journal.insertItem(parent, index, value, weight);
  } else if (isObject(parent)) {
    if (own && memberOf(parent, last) !== undefined) return REFUSED;
    target.journal.setMember(parent, last, value, weight);
  } else {
    return 'its parent is not there, or neither object nor array';
  }
  return undefined;
};

/** @param kept as for Journal.removeMember */
const remove = (target: PatchTarget, tokens: Tokens, kept: boolean): string | undefined => {
  const last = tokens.at(-1);
  if (last === undefined || isOwn(tokens)) return REFUSED;
  const parent = find(target.root, tokens, tokens.length - 1);
  if (childOf(parent, last) === undefined) return ABSENT;
  if (Array.isArray(parent)) target.journal.removeItem(parent, Number(last), kept);
  else target.journal.removeMember(parent as JsonObject, last, kept);
  return undefined;
};

const replace = (target: PatchTarget, tokens: Tokens, value: Json): string | undefined => {
  const last = tokens.at(-1);
  if (last === undefined || isOwn(tokens)) return REFUSED;
  const parent = find(target.root, tokens, tokens.length - 1);
  if (childOf(parent, last) === undefined) return ABSENT;
  const weight = weigh(value, MAX_DEPTH - tokens.length);
  if (weight === Infinity) return TOO_DEEP;
  if (Array.isArray(parent)) target.journal.setItem(parent, Number(last), value, weight);
  else target.journal.setMember(parent as JsonObject, last, value, weight);
  return undefined;
};

const move = (target: PatchTarget, from: Tokens, tokens: Tokens): string | undefined => {
  if (from.length < tokens.length && from.every((token, at) => token === tokens[at])) {
    return 'a value cannot be moved into itself';
  }
  const value = find(target.root, from, from.length);
  if (value === undefined) return ABSENT;
  // Only a move to a deeper place can nest too deeply, so that others cost nothing however large the value is.
  if (tokens.length > from.length) {
    const weight = weigh(value, MAX_DEPTH - tokens.length, COPY_LIMIT_BYTES);
    if (weight === Infinity) return TOO_DEEP;
    if (weight > COPY_LIMIT_BYTES) return 'the value is too large to be moved there';
  }
  const fault = remove(target, from, true);
  if (fault !== undefined) return fault;
  // Into the log it leaves the tree, and its weight with it.
  if (isLog(tokens)) target.journal.release(value);
  return add(target, tokens, value, 0);
};

const copy = (target: PatchTarget, from: Tokens, tokens: Tokens): string | undefined => {
  if (holdsLog(from)) return LOG_ONLY;
  const value = find(target.root, from, from.length);
  if (value === undefined) return ABSENT;
  const weight = weigh(value, MAX_DEPTH - tokens.length, target.copyLeftBytes);
  if (weight === Infinity) return TOO_DEEP;
  if (weight > target.copyLeftBytes) return 'the values are too large to be copied';
  target.copyLeftBytes -= weight;
  return add(target, tokens, cloneJson(value), weight);
};

const test = (target: PatchTarget, tokens: Tokens, value: Json): string | undefined => {
  if (holdsLog(tokens)) return LOG_ONLY;
  const found = find(target.root, tokens, tokens.length);
  if (found === undefined) return ABSENT;
  return jsonEqual(found, value) ? undefined : 'the value there is another one';
};

const applyOperation = (target: PatchTarget, operation: JsonObject): string | undefined => {
  const tokens = parsePointer(memberOf(operation, 'path'));
  if (tokens === undefined) return 'path is not a JSON pointer';
  const value = memberOf(operation, 'value');
  const op = memberOf(operation, 'op');
  switch (op) {
    case 'add':
      return value === undefined ? NO_VALUE : add(target, tokens, value, weigh(value, MAX_DEPTH - tokens.length));
    case 'remove':
      return remove(target, tokens, false);
    case 'replace':
      return value === undefined ? NO_VALUE : replace(target, tokens, value);
    case 'test':
      return value === undefined ? NO_VALUE : test(target, tokens, value);
    case 'move':
    case 'copy': {
      const from = parsePointer(memberOf(operation, 'from'));
      if (from === undefined) return NO_FROM;
      return op === 'move' ? move(target, from, tokens) : copy(target, from, tokens);
    }
    default:
      return 'op is not one of add, remove, replace, move, copy, test';
  }
};

const shown = (value: Json | undefined): string =>
  typeof value === 'string' ? (value.length > 200 ? `${value.slice(0, 200)}…` : value) : '';

/**
 * Apply a JSON Patch in place, operation by operation. Under /studioml it may only create what isn't there or append to an
 * array; the document as a whole, which holds /studioml, can not be replaced.
 * @param log gets what the patch appends to the log; to be thrown away when the patch fails
 * @returns why it can't be applied, with the operation and its path; then the caller rolls the journal back
 * Source: RFC 6902; spec "Metadata".
 */
export const applyJsonPatch = (
  root: JsonObject,
  operations: readonly JsonObject[],
  journal: Journal,
  log: Json[],
): string | undefined => {
  const target: PatchTarget = { root, journal, log, copyLeftBytes: COPY_LIMIT_BYTES };
  for (let at = 0; at < operations.length; at++) {
    const operation = operations[at] as JsonObject;
    const fault = applyOperation(target, operation);
    if (fault !== undefined) {
      return `operation ${at} (${shown(memberOf(operation, 'op'))} ${shown(memberOf(operation, 'path'))}): ${fault}`;
    }
  }
  return undefined;
};
