import type { SQSClient } from '@aws-sdk/client-sqs';
import { messageOf } from '../../errors.ts';
import { sleep } from '../../flow/wait.ts';
import type { Emit } from '../../telemetry/events.ts';
import { faultOf, type Fault } from './faults.ts';

/** One call: the client to use, and the signal that ends it. */
export type Call<T> = (client: SQSClient, options: { readonly abortSignal: AbortSignal }) => Promise<T>;

export interface CallSettings {
  readonly signal: AbortSignal;
  /** How long SQS may take beyond the time limit of a call, since it was asked to wait, ms. */
  readonly waitMs?: number;
}

/**
 * Somebody's queues in one region: a client, which is replaced when the credentials change. Trouble is one event, and one more
 * when it is over, however many queues feel it.
 */
export interface Account {
  /** For people: the directory's name, or the region. */
  readonly label: string;
  /** Credentials went away: nothing more is taken; what is out is settled with those there were. */
  retired: boolean;
  use(client: SQSClient): void;
  /** Once, within the time limit. */
  call<T>(work: Call<T>, settings: CallSettings): Promise<T>;
  /** Again and again until it is answered; only a fault of `give` is an error, or the signal's reason. */
  persist<T>(work: Call<T>, settings: CallSettings, give?: readonly Fault[]): Promise<T>;
  close(): void;
}

export interface AccountSettings {
  readonly label: string;
  readonly client: SQSClient;
  /** Of one call, ms. */
  readonly timeoutMs: number;
  readonly emit: Emit;
  /** Before the first further try, ms. */
  readonly firstRetryMs?: number;
}

const maxRetryMs = 15_000;

export const createAccount = (settings: AccountSettings): Account => {
  const { label, timeoutMs, emit, firstRetryMs = 200 } = settings;
  let { client } = settings;
  /** What was said last: undefined before the first answer, '' while all is well. */
  let said: string | undefined;

  const well = () => {
    if (said !== '') emit('broker-connected', { kind: 'sqs', broker: label });
    said = '';
  };
  const trouble = (error: unknown, retryMs: number) => {
    const words = messageOf(error);
    if (words !== said) emit('broker-lost', { kind: 'sqs', broker: label, error: words, retryMs });
    said = words;
  };

  const call: Account['call'] = async (work, { signal, waitMs = 0 }) => {
    signal.throwIfAborted();
    const limit = AbortSignal.timeout(timeoutMs + waitMs);
    try {
      const answer = await work(client, { abortSignal: AbortSignal.any([signal, limit]) });
      well();
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      if (limit.aborted) throw new Error(`SQS did not answer within ${String(timeoutMs)} ms`, { cause: error });
      throw error;
    }
  };

  const persist: Account['persist'] = async (work, call_, give = ['queue-gone', 'receipt-gone', 'refused']) => {
    for (let tries = 0; ; tries++) {
      try {
        return await call(work, call_);
      } catch (error) {
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
    retired: false,
    use: next => {
      client.destroy();
      client = next;
    },
    call,
    persist,
    close: () => {
      client.destroy();
    },
  };
};
