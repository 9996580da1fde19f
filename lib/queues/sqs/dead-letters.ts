import { CreateQueueCommand, GetQueueAttributesCommand, GetQueueUrlCommand } from '@aws-sdk/client-sqs';
import type { SqsAccount } from './account.ts';
import { faultOf } from './faults.ts';

/** What a queue's own dead-letter policy says. */
export interface Redrive {
  readonly targetArn: string;
  /** A message that was received this often goes to the target by itself at the next receive. */
  readonly maxReceiveCount: number;
}

/** A policy is looked at again after this long, ms. */
const knownForMs = 60_000;
const retentionSeconds = 1_209_600;

/** Where dead letters go that have no policy of their own. Never taken for work. */
export const deadSuffix = '_dead';

const parse = (policy: string | undefined): Redrive | undefined => {
  try {
    const { deadLetterTargetArn, maxReceiveCount } = JSON.parse(policy ?? '') as Record<string, unknown>;
    return typeof deadLetterTargetArn === 'string'
      ? { targetArn: deadLetterTargetArn, maxReceiveCount: Number(maxReceiveCount) }
      : undefined;
  } catch {
    return undefined;
  }
};

export interface DeadLetters {
  /** The queue's own policy; undefined where it has none. */
  policy(signal: AbortSignal): Promise<Redrive | undefined>;
  /** URL of the queue that its dead letters go to: the policy's, else one of ours, which is made where it is missing. */
  target(signal: AbortSignal): Promise<string>;
}

/** The policy and the dead-letter queue of one queue. */
export const createDeadLetters = (account: SqsAccount, name: string, url: string, now: () => number): DeadLetters => {
  let known: { readonly policy: Redrive | undefined; readonly untilMs: number } | undefined;

  const policy: DeadLetters['policy'] = async signal => {
    if (known && now() < known.untilMs) return known.policy;
    const { Attributes } = await account.persist(
      (client, options) =>
        client.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['RedrivePolicy'] }), options),
      { signal },
      ['queue-gone', 'denied', 'refused'],
    );
    known = { policy: parse(Attributes?.['RedrivePolicy']), untilMs: now() + knownForMs };
    return known.policy;
  };

  const urlOf = async (QueueName: string, owner: string | undefined, signal: AbortSignal): Promise<string> => {
    const { QueueUrl } = await account.persist(
      (client, options) =>
        client.send(
          new GetQueueUrlCommand({ QueueName, ...(owner ? { QueueOwnerAWSAccountId: owner } : {}) }),
          options,
        ),
      { signal },
      ['queue-gone', 'denied', 'refused'],
    );
    return QueueUrl ?? '';
  };

  const ours = async (signal: AbortSignal): Promise<string> => {
    const dead = name + deadSuffix;
    try {
      return await urlOf(dead, undefined, signal);
    } catch (error) {
      if (faultOf(error) !== 'queue-gone') throw error;
    }
    const { QueueUrl } = await account.persist(
      (client, options) =>
        client.send(
          new CreateQueueCommand({
            QueueName: dead,
            Attributes: { MessageRetentionPeriod: String(retentionSeconds) },
          }),
          options,
        ),
      { signal },
      ['denied', 'refused'],
    );
    return QueueUrl ?? '';
  };

  return {
    policy,
    target: async signal => {
      const redrive = await policy(signal);
      if (!redrive) return ours(signal);
      // arn:aws:sqs:REGION:ACCOUNT:NAME
      const [, , , , owner, target = ''] = redrive.targetArn.split(':');
      return urlOf(target, owner, signal);
    },
  };
};
