import { messageOf } from '../errors.ts';
import { orAborted, sleep } from '../flow/wait.ts';
import type { QueueKind } from '../model/delivery.ts';
import type { Emit } from '../telemetry/events.ts';

/**
 * What an answer of a service means for who asked.
 * - `queue-gone`, `receipt-gone`: what was named is not there any more
 * - `denied`: credentials wrong, or not allowed
 * - `transient`: no answer, or not now; worth another try
 * - `refused`: the question makes no sense to the service
 */
export type Fault = 'queue-gone' | 'receipt-gone' | 'denied' | 'transient' | 'refused';

/** One call: the client to use, and the signal that ends it. */
export type Call<C, T> = (client: C, options: { readonly abortSignal: AbortSignal }) => Promise<T>;

export interface CallSettings {
  readonly signal: AbortSignal;
  /** How long the service may take beyond the time limit of a call, since it was asked to wait, ms. */
  readonly waitMs?: number;
  /** A try ended without an answer: whether the service did what was asked is not known. */
  readonly onUnanswered?: (() => void) | undefined;
}

/**
 * Somebody's queues at a service: a client, which is replaced when the credentials change. Trouble is one event, and one more
 * when it is over, however many queues feel it.
 */
export interface Account<C> {
  /** For people: the name of its credentials, a region or a project. */
  readonly label: string;
  /** Credentials went away: nothing more is taken; what is out is settled with those there were. */
  retired: boolean;
  /** Resolves when it is not retired, or not any more. Errors: the signal's reason. */
  served(signal: AbortSignal): Promise<void>;
  use(client: C): void;
  /** Once, within the time limit. */
  call<T>(work: Call<C, T>, settings: CallSettings): Promise<T>;
  /** Again and again until it is answered; only a fault of `give` is an error, or the signal's reason. */
  persist<T>(work: Call<C, T>, settings: CallSettings, give?: readonly Fault[]): Promise<T>;
  close(): void;
}

export interface AccountSettings<C> {
  readonly kind: QueueKind;
  readonly label: string;
  readonly client: C;
  readonly faultOf: (error: unknown) => Fault;
  readonly destroy: (client: C) => void;
  /** Of one call, ms. */
  readonly timeoutMs: number;
  readonly emit: Emit;
  /** Before the first further try, ms. */
  readonly firstRetryMs?: number;
}

const maxRetryMs = 15_000;

export const createAccount = <C>(settings: AccountSettings<C>): Account<C> => {
  const { kind, label, timeoutMs, emit, faultOf, destroy, firstRetryMs = 200 } = settings;
  let { client } = settings;
  /** What was said last: undefined before the first answer, '' while all is well. */
  let said: string | undefined;
  /** Resolved when its credentials are there again; undefined while they are. */
  let back: PromiseWithResolvers<void> | undefined;

  const well = () => {
    if (said !== '') emit('broker-connected', { kind, broker: label });
    said = '';
  };
  const trouble = (error: unknown, retryMs: number) => {
    const words = messageOf(error);
    if (words !== said) emit('broker-lost', { kind, broker: label, error: words, retryMs });
    said = words;
  };

  const call: Account<C>['call'] = async (work, { signal, waitMs = 0 }) => {
    signal.throwIfAborted();
    const limit = AbortSignal.timeout(timeoutMs + waitMs);
    try {
      const answer = await work(client, { abortSignal: AbortSignal.any([signal, limit]) });
      well();
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      if (limit.aborted) throw new Error(`${label} did not answer within ${String(timeoutMs)} ms`, { cause: error });
      throw error;
    }
  };

  const persist: Account<C>['persist'] = async (work, call_, give = ['queue-gone', 'receipt-gone', 'refused']) => {
    for (let tries = 0; ; tries++) {
      try {
        return await call(work, call_);
      } catch (error) {
        if (call_.signal.aborted || faultOf(error) === 'transient') call_.onUnanswered?.();
        call_.signal.throwIfAborted();
        if (give.includes(faultOf(error))) throw error;
        const ceilingMs = Math.min(maxRetryMs, firstRetryMs * 2 ** tries);
        const retryMs = Math.round(ceilingMs * (0.5 + Math.random() / 2));
        trouble(error, retryMs);
        await sleep(retryMs, call_.signal);
      }
    }
  };

  return {
    label,
    get retired() {
      return back !== undefined;
    },
    set retired(retired) {
      if (retired) {
        back ??= Promise.withResolvers();
        return;
      }
      back?.resolve();
      back = undefined;
    },
    served: async signal => {
      while (back) await orAborted(back.promise, signal);
    },
    use: next => {
      destroy(client);
      client = next;
    },
    call,
    persist,
    close: () => {
      destroy(client);
    },
  };
};
