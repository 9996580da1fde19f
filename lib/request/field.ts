import { isJsonObject, type JsonObject } from './json-body.ts';
import { durationExamples, parseDuration } from './durations.ts';
import { isSecretMember } from './secrets.ts';
import { parseSize, sizeExamples } from './sizes.ts';
import { withoutUrlSecrets } from './without-credentials.ts';

/** More faults than these are counted, not told: nobody reads them, and a stranger's message may have millions. */
const maxTold = 20;

/** More items or members than these are no request: no program can be started with them. */
const maxMembers = 100_000;

/** Collects in words what is wrong with a request. */
export class Faults {
  readonly #told: string[] = [];
  #count = 0;

  /** `fault` is called only where its words will be told. */
  add(fault: () => string): void {
    this.#count += 1;
    if (this.#told.length < maxTold) this.#told.push(fault());
  }

  get any(): boolean {
    return this.#count > 0;
  }

  /** A line for each. */
  get text(): string {
    const more = this.#count - this.#told.length;
    return [...this.#told, ...(more > 0 ? [`and ${more} more`] : [])].join('\n');
  }
}

const maxShown = 40;
const shorten = (text: string): string => (text.length > maxShown ? `${text.slice(0, maxShown)}…` : text);

const shown = (value: unknown): string => {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (isJsonObject(value)) return 'an object';
  if (typeof value === 'number') return String(value);
  return JSON.stringify(typeof value === 'string' ? shorten(withoutUrlSecrets(value)) : value);
};

const plainName = /^[A-Za-z_][\w-]{0,63}$/;

/**
 * One place in a request: its value and the way to it. Reading gives the value where it is of the right type, else undefined,
 * and a fault that says path, what was found and what was expected. `null` counts as absent everywhere, and so does an empty
 * text. A value is never shown where a name on its way looks secret.
 */
export class Field {
  readonly value: unknown;
  readonly #name: string | number;
  readonly #parent: Field | undefined;
  readonly #faults: Faults;

  constructor(value: unknown, name: string | number, faults: Faults, parent?: Field) {
    this.value = value ?? undefined;
    this.#name = name;
    this.#parent = parent;
    this.#faults = faults;
  }

  get absent(): boolean {
    return this.value === undefined;
  }

  get path(): string {
    const name = this.#name;
    if (this.#parent === undefined) return String(name);
    const before = this.#parent.path;
    if (typeof name === 'number') return `${before}[${name}]`;
    if (!plainName.test(name)) return `${before}[${JSON.stringify(shorten(name))}]`;
    return before === '' ? name : `${before}.${name}`;
  }

  get #secret(): boolean {
    return (
      (typeof this.#name === 'string' && isSecretMember(this.#name)) ||
      (this.#parent !== undefined && this.#parent.#secret)
    );
  }

  /** Record that the value is not what it should be: `notWhat` finishes "is not …". Free text is not shown: `hidden`. */
  fault(notWhat: string, expected: string, hidden = false): undefined {
    this.#faults.add(() => {
      const what = (hidden || this.#secret) && !this.absent ? 'the value (not shown)' : shown(this.value);
      return `${this.path}: ${what} is not ${notWhat}; expected ${expected}`;
    });
    return undefined;
  }

  /** Record that something that must be there is not. */
  missing(expected: string): undefined {
    return this.wrong('missing', expected);
  }

  /** Record what is wrong in words that don't show the value. */
  wrong(what: string, expected: string): undefined {
    this.#faults.add(() => `${this.path}: ${what}; expected ${expected}`);
    return undefined;
  }

  /** The member of this name; absent where this is no object or has none. */
  member(name: string): Field {
    const value = isJsonObject(this.value) && Object.hasOwn(this.value, name) ? this.value[name] : undefined;
    return new Field(value, name, this.#faults, this);
  }

  object(expected = 'an object'): JsonObject | undefined {
    if (this.absent || isJsonObject(this.value)) return this.value as JsonObject | undefined;
    return this.fault('an object', expected);
  }

  /** The members of an object, those with null left out. */
  members(): readonly (readonly [string, Field])[] {
    return this.#bounded(Object.entries(this.object() ?? {}), 'members')
      .filter(([, value]) => value !== null)
      .map(([name, value]) => [name, new Field(value, name, this.#faults, this)] as const);
  }

  /** A list, or nothing of it where there are too many. */
  #bounded<T>(list: readonly T[], what: string): readonly T[] {
    if (list.length <= maxMembers) return list;
    this.wrong(`${list.length} ${what}`, `at most ${maxMembers}`);
    return [];
  }

  text(): string | undefined {
    if (this.absent || this.value === '') return undefined;
    // Half of a surrogate pair can be written in JSON and nowhere else.
    return typeof this.value === 'string' ? this.value.toWellFormed() : this.fault('a string', 'a string');
  }

  /** A text that will be handed to a program: the system ends it at a NUL. */
  argument(): string | undefined {
    return typeof this.value === 'string' && this.value.includes('\0')
      ? this.fault('free of NUL characters', 'a string without them', true)
      : this.text();
  }

  /** The items of a list of texts, each as `argument` gives it; an empty text stays. None where the list is absent. */
  arguments(): readonly string[] {
    if (this.absent) return [];
    if (!Array.isArray(this.value)) {
      this.fault('a list', 'a list of strings');
      return [];
    }
    return this.#bounded<unknown>(this.value, 'items').map((value, at) => {
      const item = new Field(value, at, this.#faults, this);
      if (item.absent) item.fault('a string', 'a string');
      return item.argument() ?? '';
    });
  }

  /** A text, or a number in its place. */
  label(): string | undefined {
    return typeof this.value === 'number' ? String(this.value) : this.text();
  }

  flag(): boolean | undefined {
    if (this.value === undefined || typeof this.value === 'boolean') return this.value;
    return this.fault('true or false', 'true or false');
  }

  /** A number that is not below zero. */
  amount(): number | undefined {
    if (this.absent) return undefined;
    const { value } = this;
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
    return this.fault('a number of seconds', 'a number from 0 up');
  }

  /** A whole number from 0 up, or a text that is one. */
  count(): number | undefined {
    if (this.absent || this.value === '') return undefined;
    const isText = typeof this.value === 'string' && /^\d{1,16}$/.test(this.value);
    const value = isText ? Number(this.value) : this.value;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    return this.fault('a whole number', 'e.g. 0, 1, 2');
  }

  /** Bytes. */
  size(): number | undefined {
    if (this.absent || this.value === '') return undefined;
    const { value } = this;
    const bytes = typeof value === 'string' || typeof value === 'number' ? parseSize(String(value)) : undefined;
    return bytes ?? this.fault('a size', `e.g. ${sizeExamples}`);
  }

  /** Milliseconds, more than 0: no work can be done in none. */
  duration(): number | undefined {
    if (this.absent || this.value === '') return undefined;
    const ms = typeof this.value === 'string' ? parseDuration(this.value) : undefined;
    if (ms !== undefined && ms > 0) return ms;
    return this.fault(ms === 0 ? 'a duration above zero' : 'a duration', `e.g. ${durationExamples}`);
  }
}
