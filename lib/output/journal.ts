import { define, memberOf, memberWeight, weigh, type Json, type JsonObject } from './json.ts';

/** One change, with what takes it back. One small object, since most directives make one change. */
interface Change {
  readonly type: 'member' | 'new-member' | 'item' | 'new-item' | 'removed-item' | 'none';
  readonly object: JsonObject | undefined;
  readonly array: Json[] | undefined;
  readonly name: string;
  readonly index: number;
  /** What was there before. */
  readonly old: Json | undefined;
  /** Whether `old` left the tree; weighed at commit only, since what a failing directive removes comes back. */
  readonly freed: boolean;
  readonly previous: Change | undefined;
}

/**
 * Changes to a JSON tree that can be taken back: each one is made in place and noted with what undoes it. So a directive costs
 * what it changes, not what the tree holds. Also keeps count of what the tree weighs.
 */
export class Journal {
  #last: Change | undefined;
  #added = 0;
  #weight = 0;

  /** Estimated bytes in memory of everything that was put in and not taken out. */
  get weight(): number {
    return this.#weight;
  }

  /** @param added what the value weighs; 0 for one that is only moved */
  setMember(object: JsonObject, name: string, value: Json, added: number): void {
    const old = memberOf(object, name);
    if (old === undefined) {
      this.#note('new-member', object, undefined, name, 0, undefined, false);
      this.#added += memberWeight(name);
    } else {
      this.#note('member', object, undefined, name, 0, old, true);
    }
    define(object, name, value);
    this.#added += added;
  }

  /** @param kept the value goes to another place in the tree */
  removeMember(object: JsonObject, name: string, kept = false): void {
    this.#note('member', object, undefined, name, 0, memberOf(object, name), !kept);
    Reflect.deleteProperty(object, name);
    this.#added -= memberWeight(name);
  }

  insertItem(array: Json[], index: number, value: Json, added: number): void {
    this.#note('new-item', undefined, array, '', index, undefined, false);
    if (index === array.length) array.push(value);
    else array.splice(index, 0, value);
    this.#added += added;
  }

  setItem(array: Json[], index: number, value: Json, added: number): void {
    this.#note('item', undefined, array, '', index, array[index], true);
    array[index] = value;
    this.#added += added;
  }

  removeItem(array: Json[], index: number, kept = false): void {
    this.#note('removed-item', undefined, array, '', index, array[index], !kept);
    array.splice(index, 1);
  }

  /** A value that was taken out to be kept leaves the tree after all. */
  release(value: Json): void {
    this.#note('none', undefined, undefined, '', 0, value, true);
  }

  /** Keep the changes, unless they make the tree grow beyond `limit`: then they are taken back and false is returned. */
  commit(limit: number): boolean {
    let grown = this.#added;
    for (let change = this.#last; change !== undefined; change = change.previous) {
      if (change.freed) grown -= weigh(change.old as Json);
    }
    if (grown > 0 && this.#weight + grown > limit) {
      this.rollback();
      return false;
    }
    this.#weight += grown;
    this.#clear();
    return true;
  }

  /** Take every change since the last commit back. */
  rollback(): void {
    for (let change = this.#last; change !== undefined; change = change.previous) undo(change);
    this.#clear();
  }

  #note(
    type: Change['type'],
    object: JsonObject | undefined,
    array: Json[] | undefined,
    name: string,
    index: number,
    old: Json | undefined,
    freed: boolean,
  ): void {
    this.#last = { type, object, array, name, index, old, freed, previous: this.#last };
  }

  #clear(): void {
    this.#last = undefined;
    this.#added = 0;
  }
}

const undo = ({ type, object, array, name, index, old }: Change): void => {
  switch (type) {
    case 'member':
      define(object as JsonObject, name, old as Json);
      break;
    case 'new-member':
      Reflect.deleteProperty(object as JsonObject, name);
      break;
    case 'item':
      (array as Json[])[index] = old as Json;
      break;
    case 'new-item':
      (array as Json[]).splice(index, 1);
      break;
    case 'removed-item':
      (array as Json[]).splice(index, 0, old as Json);
      break;
    case 'none':
      break;
  }
};
