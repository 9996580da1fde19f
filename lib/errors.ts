import type { Cause } from './model/outcome.ts';

/** Names and values that say where a failure happened: `{artifact: 'data', bucket: 'b'}`. Never a secret. */
export type Where = Readonly<Record<string, string | number | boolean | undefined>>;

const bracketed = (where: Where): string => {
  const said = Object.entries(where).filter(([, value]) => value !== undefined);
  return said.length === 0 ? '' : ` [${said.map(([name, value]) => `${name}=${String(value)}`).join(', ')}]`;
};

/**
 * A failure that ends an attempt. `code` is its cause, from the closed list in model/outcome.ts, which also decides the
 * settlement (stages/settlements.ts). The message says what was tried on what, where:
 * `stage in failed: no such object [artifact=data, bucket=b, key=k]`.
 *
 * Thrown when: a stage or a driver cannot do its part for one attempt.
 */
export class AttemptError extends Error {
  override readonly name = 'AttemptError';
  readonly code: Cause;
  readonly where: Where;

  constructor(code: Cause, message: string, where: Where = {}, options?: ErrorOptions) {
    super(message + bracketed(where), options);
    this.code = code;
    this.where = where;
  }
}

const machineFaults = new Set(['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE']);

/** Whether the machine has no process, memory or file descriptor left: what another try or another machine might get over. */
export const isMachineFault = (error: unknown): boolean =>
  error instanceof Error && machineFaults.has((error as NodeJS.ErrnoException).code ?? '');

/**
 * What an object store answered, in words that mean the same for every driver.
 * - `missing`: no such bucket or object
 * - `denied`: credentials wrong, or not allowed
 * - `precondition`: the object is not (or is) what `ifMatch`/`ifNoneMatch` asked for
 * - `invalid`: the location or the reply makes no sense; trying again would not help
 * - `unavailable`: not reachable, overloaded, cut off; worth trying again
 *
 * Thrown when: an ObjectStore call fails.
 */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: 'missing' | 'denied' | 'precondition' | 'invalid' | 'unavailable';
  /** The store's own word for it, where it said one: `SlowDown`. */
  readonly reason: string | undefined;

  constructor(
    code: StoreError['code'],
    message: string,
    where: Where = {},
    options: ErrorOptions & { readonly reason?: string } = {},
  ) {
    super(message + bracketed(where), options);
    this.code = code;
    this.reason = options.reason;
  }
}

/** Whether it is a StoreError of one of these codes. */
export const isStoreError = (error: unknown, ...codes: readonly StoreError['code'][]): error is StoreError =>
  error instanceof StoreError && codes.includes(error.code);

/**
 * Options that cannot be used: every fault of one start, not only the first.
 *
 * Thrown when: configuration is loaded. The command ends with exit code 2.
 */
export class OptionsError extends Error {
  override readonly name = 'OptionsError';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.faults = faults;
  }
}

/** Any thrown value as an Error. */
export const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

/**
 * Thrown when: a message is to become a dead letter and there is no place for it. It is back in its queue, behind the others and
 * counted where its attempt had begun: nothing is lost, and what has had its last attempt is not run again.
 */
export class UnplacedLetter extends Error {
  override readonly name = 'UnplacedLetter';
  /** What an operator can do, in one sentence. */
  readonly remedy: string;

  constructor(remedy: string, cause: unknown) {
    super('its dead letter could not be put anywhere', { cause });
    this.remedy = remedy;
  }
}

/** The words of any thrown value, with those of its causes where they add something. */
export const messageOf = (thrown: unknown): string => {
  const error = asError(thrown);
  const own = error.message || error.name;
  if (error.cause === undefined) return own;
  const inner = messageOf(error.cause);
  return own.includes(inner) ? own : `${own}: ${inner}`;
};
