import { define, memberWeight, weigh, type Json, type JsonObject } from './json.ts';

/**
 * Changes to a JSON tree that can be taken back: each one is made in place and noted with what undoes it. So a directive costs
 * what it changes, not what the tree holds. Also keeps count of what the tree weighs.
 */
export class Journal {
  readonly #undo: (() => void)[] = [];
  /** Values that left the tree; weighed at commit only, since most directives that fail come back for nothing. */
  readonly #freed: Json[] = [];
  #added = 0;
  #weight = 0;

  /** Estimated bytes in memory of everything that was put in and not taken out. */
  get weight(): number {
    return this.#weight;
  }

  /** @param added what the value weighs; 0 for one that is only moved */
  setMember(object: JsonObject, name: string, value: Json, added: number): void {
    if (Object.hasOwn(object, name)) {
      const old = object[name] as Json;
      this.#undo.push(() => {
        define(object, name, old);
      });
      this.#freed.push(old);
    } else {
      this.#undo.push(() => {
        Reflect.deleteProperty(object, name);
      });
      this.#added += memberWeight(name);
    }
    define(object, name, value);
    this.#added += added;
  }

  /** @param kept the value goes to another place in the tree */
  removeMember(object: JsonObject, name: string, kept = false): void {
    const old = object[name] as Json;
    this.#undo.push(() => {
      define(object, name, old);
    });
    Reflect.deleteProperty(object, name);
    this.#added -= memberWeight(name);
    if (!kept) this.#freed.push(old);
  }

  insertItem(array: Json[], index: number, value: Json, added: number): void {
    this.#undo.push(() => {
      array.splice(index, 1);
    });
    if (index === array.length) array.push(value);
    else array.splice(index, 0, value);
    this.#added += added;
  }

  setItem(array: Json[], index: number, value: Json, added: number): void {
    const old = array[index] as Json;
    this.#undo.push(() => {
      array[index] = old;
    });
    this.#freed.push(old);
    array[index] = value;
    this.#added += added;
  }

  removeItem(array: Json[], index: number, kept = false): void {
    const old = array[index] as Json;
    this.#undo.push(() => {
      array.splice(index, 0, old);
    });
    array.splice(index, 1);
    if (!kept) this.#freed.push(old);
  }

  /** A value that was taken out to be kept leaves the tree after all. */
  release(value: Json): void {
    this.#freed.push(value);
  }

  /** Keep the changes, unless they make the tree grow beyond `limit`: then they are taken back and false is returned. */
  commit(limit: number): boolean {
    let change = this.#added;
    for (const value of this.#freed) change -= weigh(value);
    if (change > 0 && this.#weight + change > limit) {
      this.rollback();
      return false;
    }
    this.#weight += change;
    this.#clear();
    return true;
  }

  /** Take every change since the last commit back. */
  rollback(): void {
    for (let at = this.#undo.length - 1; at >= 0; at--) this.#undo[at]?.();
    this.#clear();
  }

  #clear(): void {
    this.#undo.length = 0;
    this.#freed.length = 0;
    this.#added = 0;
  }
}
