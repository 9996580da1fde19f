import { experimentOptions } from './groups/experiments.ts';
import { operationOptions } from './groups/operation.ts';
import { queueOptions } from './groups/queues.ts';
import { trustOptions } from './groups/trust.ts';
import type { OptionRow, ValueOf } from './option-rows.ts';

/**
 * Every option there is, in groups: from this come parsing, the types of checked values, `--help`, the table in the README and
 * their tests.
 */
export const groups: readonly { readonly title: string; readonly rows: Readonly<Record<string, OptionRow>> }[] = [
  { title: 'Queues', rows: queueOptions },
  { title: 'Experiments and their machine', rows: experimentOptions },
  { title: 'Keys and trust', rows: trustOptions },
  { title: 'Operation', rows: operationOptions },
];

/** The same in one table. The keys are the names that checked values have in the code. */
export const options = { ...queueOptions, ...experimentOptions, ...trustOptions, ...operationOptions };

type Table = typeof options;
export type OptionName = keyof Table;

/**
 * Options as the code gets them, checked. Durations in ms, sizes in bytes, paths absolute; there are as many
 * amqpMgtUrls as amqpUrls.
 */
export type Options = { readonly [N in OptionName]: ValueOf<Table[N]> } & {
  /** Whether SQS is served with the ordinary AWS chain. */
  readonly sqsChain: boolean;
  /** Those that were given by hand. */
  readonly given: ReadonlySet<OptionName>;
};
