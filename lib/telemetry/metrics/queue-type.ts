/** The kinds of queues as the Go runner's metrics name them. */
const types: Readonly<Record<string, string>> = { rabbitmq: 'rmq', directory: 'local' };

/** The label `queue_type` of a kind of queue. */
export const queueType = (kind: string): string => types[kind] ?? kind;
