import type { QueueKind } from '../model/delivery.ts';
import type { Options } from './options.ts';

/** One place that work comes from: a broker, a directory, or the accounts of a cloud. */
export type ConfiguredQueues =
  | {
      readonly kind: 'rabbitmq';
      readonly url: string;
      readonly managementUrl: string | undefined;
      /** AMQP_QUEUES */
      readonly queues: readonly string[];
    }
  | { readonly kind: 'directory'; readonly root: string }
  /** `certs` undefined: the ordinary AWS chain. */
  | { readonly kind: 'sqs'; readonly certs: string | undefined; readonly timeoutMs: number }
  | { readonly kind: 'pubsub'; readonly certs: string | undefined; readonly project: string | undefined };

/** The places that work comes from, as the options name them. @param kind only those of this kind */
export const configuredQueues = (options: Options, kind?: QueueKind): readonly ConfiguredQueues[] => {
  const { queueRoot: root, sqsCerts, pubsubCerts, pubsubProject } = options;
  const all: readonly ConfiguredQueues[] = [
    ...options.amqpUrls.map((url, at) => {
      const managementUrl = options.amqpMgtUrls[at];
      return { kind: 'rabbitmq', url, managementUrl, queues: options.amqpQueues } as const;
    }),
    ...(root === undefined ? [] : [{ kind: 'directory', root } as const]),
    ...(sqsCerts === undefined && !options.sqsChain
      ? []
      : [{ kind: 'sqs', certs: sqsCerts, timeoutMs: options.sqsTimeoutMs } as const]),
    ...(pubsubCerts === undefined && pubsubProject === undefined
      ? []
      : [{ kind: 'pubsub', certs: pubsubCerts, project: pubsubProject } as const]),
  ];
  return kind === undefined ? all : all.filter(one => one.kind === kind);
};
