import type { Journal } from './journal.ts';
import { cloneJson, isObject, jsonEqual, MAX_DEPTH, memberOf, weigh, type Json, type JsonObject } from './json.ts';
import { parseIndex, parsePointer } from './json-pointer.ts';
import { holdsLog, isLog, isOwn, REFUSED, TOO_DEEP } from './own-members.ts';

/** Estimated bytes that the copies of one patch may add, and that a move into the depth may carry: about one long line. */
const COPY_LIMIT_BYTES = 1024 * 1024;

const ABSENT = 'no such member or item';
const LOG_ONLY = 'the log and what holds it can only be appended to';

/** What a patch is applied to. */
export interface PatchTarget {
  readonly root: JsonObject;
  readonly journal: Journal;
  /** Gets what the patch appends to the log; to be thrown away when the patch fails. */
  readonly log: Json[];
}

/** Applies the operations of one patch. Every method returns why it can't be done, or undefined. */
class Patching {
  readonly #target: PatchTarget;
  #copyLeft = COPY_LIMIT_BYTES;

  constructor(target: PatchTarget) {
    this.#target = target;
  }

  apply(operation: JsonObject): string | undefined {
    const tokens = parsePointer(memberOf(operation, 'path'));
    if (tokens === undefined) return 'path is not a JSON pointer';
    switch (memberOf(operation, 'op')) {
      case 'add':
        return this.#withValue(operation, value => this.#addNew(tokens, value));
      case 'remove':
        return this.#remove(tokens, false);
      case 'replace':
        return this.#withValue(operation, value => this.#replace(tokens, value));
      case 'move':
        return this.#withFrom(operation, from => this.#move(from, tokens));
      case 'copy':
        return this.#withFrom(operation, from => this.#copy(from, tokens));
      case 'test':
        return this.#withValue(operation, value => this.#test(tokens, value));
      default:
        return 'op is not one of add, remove, replace, move, copy, test';
    }
  }

  #withValue(operation: JsonObject, then: (value: Json) => string | undefined): string | undefined {
    const value = memberOf(operation, 'value');
    return value === undefined ? 'value is missing' : then(value);
  }

  #withFrom(operation: JsonObject, then: (from: string[]) => string | undefined): string | undefined {
    const from = parsePointer(memberOf(operation, 'from'));
    return from === undefined ? 'from is not a JSON pointer' : then(from);
  }

  #find(tokens: readonly string[], length = tokens.length): Json | undefined {
    let value: Json | undefined = this.#target.root;
    for (let at = 0; at < length && value !== undefined; at++) {
      const token = tokens[at] as string;
      if (Array.isArray(value)) {
        const index = parseIndex(token);
        value = index === undefined ? undefined : value[index];
      } else {
        value = isObject(value) ? memberOf(value, token) : undefined;
      }
    }
    return value;
  }

  #addNew(tokens: readonly string[], value: Json): string | undefined {
    const weight = weigh(value, MAX_DEPTH - tokens.length);
    return weight === Infinity ? TOO_DEEP : this.#add(tokens, value, weight);
  }

  /** @param weight as for Journal.setMember */
  #add(tokens: readonly string[], value: Json, weight: number): string | undefined {
    if (isLog(tokens)) {
      if (tokens.length !== 3 || tokens[2] !== '-') return LOG_ONLY;
      this.#target.log.push(value);
      return undefined;
    }
    const last = tokens.at(-1);
    if (last === undefined || (isOwn(tokens) && tokens.length === 1)) return REFUSED;
    const { journal } = this.#target;
    const parent = this.#find(tokens, tokens.length - 1);
    if (Array.isArray(parent)) {
      const index = last === '-' ? parent.length : parseIndex(last);
      if (index === undefined || index > parent.length) return 'no such place in the array';
      if (isOwn(tokens) && index < parent.length) return REFUSED;
      journal.insertItem(parent, index, value, weight);
    } else if (isObject(parent)) {
      if (isOwn(tokens) && Object.hasOwn(parent, last)) return REFUSED;
      journal.setMember(parent, last, value, weight);
    } else {
      return 'its parent is not there, or neither object nor array';
    }
    return undefined;
  }

  #remove(tokens: readonly string[], kept: boolean): string | undefined {
    const last = tokens.at(-1);
    if (last === undefined || isOwn(tokens)) return REFUSED;
    if (this.#find(tokens) === undefined) return ABSENT;
    const parent = this.#find(tokens, tokens.length - 1);
    if (Array.isArray(parent)) this.#target.journal.removeItem(parent, Number(last), kept);
    else this.#target.journal.removeMember(parent as JsonObject, last, kept);
    return undefined;
  }

  #replace(tokens: readonly string[], value: Json): string | undefined {
    const last = tokens.at(-1);
    if (last === undefined || isOwn(tokens)) return REFUSED;
    if (this.#find(tokens) === undefined) return ABSENT;
    const weight = weigh(value, MAX_DEPTH - tokens.length);
    if (weight === Infinity) return TOO_DEEP;
    const parent = this.#find(tokens, tokens.length - 1);
    if (Array.isArray(parent)) this.#target.journal.setItem(parent, Number(last), value, weight);
    else this.#target.journal.setMember(parent as JsonObject, last, value, weight);
    return undefined;
  }

  #move(from: readonly string[], tokens: readonly string[]): string | undefined {
    if (from.length < tokens.length && from.every((token, at) => token === tokens[at])) {
      return 'a value cannot be moved into itself';
    }
    const value = this.#find(from);
    if (value === undefined) return ABSENT;
    // Only a move to a deeper place can nest too deeply, so that others cost nothing however large the value is.
    if (tokens.length > from.length) {
      const weight = weigh(value, MAX_DEPTH - tokens.length, COPY_LIMIT_BYTES);
      if (weight === Infinity) return TOO_DEEP;
      if (weight > COPY_LIMIT_BYTES) return 'the value is too large to be moved there';
    }
    const fault = this.#remove(from, true);
    if (fault !== undefined) return fault;
    if (!isLog(tokens)) return this.#add(tokens, value, 0);
    // It leaves the tree for the log, and its weight with it.
    this.#target.journal.release(value);
    return this.#add(tokens, value, 0);
  }

  #copy(from: readonly string[], tokens: readonly string[]): string | undefined {
    if (holdsLog(from)) return LOG_ONLY;
    const value = this.#find(from);
    if (value === undefined) return ABSENT;
    const weight = weigh(value, MAX_DEPTH - tokens.length, this.#copyLeft);
    if (weight === Infinity) return TOO_DEEP;
    if (weight > this.#copyLeft) return 'the values are too large to be copied';
    this.#copyLeft -= weight;
    return this.#add(tokens, cloneJson(value), weight);
  }

  #test(tokens: readonly string[], value: Json): string | undefined {
    if (holdsLog(tokens)) return LOG_ONLY;
    const found = this.#find(tokens);
    if (found === undefined) return ABSENT;
    return jsonEqual(found, value) ? undefined : 'the value there is another one';
  }
}

const shown = (value: Json | undefined): string =>
  typeof value === 'string' ? (value.length > 200 ? `${value.slice(0, 200)}…` : value) : '';

/**
 * Apply a JSON Patch in place, operation by operation. Under /studioml it may only create what isn't there or append to an
 * array; the document as a whole, which holds /studioml, can not be replaced.
 * @returns why it can't be applied, with the operation and its path; then the caller rolls the journal back
 * Source: RFC 6902; spec "Metadata".
 */
export const applyJsonPatch = (target: PatchTarget, operations: readonly JsonObject[]): string | undefined => {
  const patching = new Patching(target);
  for (const [at, operation] of operations.entries()) {
    const fault = patching.apply(operation);
    if (fault !== undefined) {
      return `operation ${at} (${shown(memberOf(operation, 'op'))} ${shown(memberOf(operation, 'path'))}): ${fault}`;
    }
  }
  return undefined;
};
