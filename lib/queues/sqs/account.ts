import type { SQSClient } from '@aws-sdk/client-sqs';
import type { Emit } from '../../telemetry/events.ts';
import { createAccount, type Account, type Call } from '../account.ts';
import { faultOf } from './faults.ts';

export type SqsAccount = Account<SQSClient>;
export type SqsCall<T> = Call<SQSClient, T>;

export interface SqsAccountSettings {
  readonly label: string;
  readonly client: SQSClient;
  /** Of one call, ms. */
  readonly timeoutMs: number;
  readonly emit: Emit;
}

/** Somebody's queues in one region. */
export const createSqsAccount = (settings: SqsAccountSettings): SqsAccount =>
  createAccount({
    ...settings,
    kind: 'sqs',
    faultOf,
    destroy: client => {
      client.destroy();
    },
  });
