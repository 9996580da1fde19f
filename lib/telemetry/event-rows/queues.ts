import { table } from './row.ts';

/** Brokers, queues and the keys that messages on them are sealed and signed with. */
export const queueEvents = table({
  'broker-connected': {
    level: 'info',
    when: 'a connection to a broker stands',
    fields: { kind: 'string', broker: 'string' },
  },
  'broker-lost': {
    level: 'warn',
    when: 'a connection to a broker ended; it is tried again',
    fields: { kind: 'string', broker: 'string', error: 'string', retryMs: 'number' },
  },
  'broker-blocked': {
    level: 'warn',
    when: 'the broker takes no more publishing',
    fields: { broker: 'string', reason: 'string' },
  },
  'broker-unblocked': { level: 'info', when: 'the broker takes publishing again', fields: { broker: 'string' } },
  'lease-unavailable': {
    level: 'warn',
    when: "the runner may make no queue of its own for work that it holds: a message is held as the broker lets it, and its count of attempts is the broker's",
    fields: { broker: 'string', why: 'string' },
  },
  'patience-ending': {
    level: 'warn',
    when: 'a message is held without a lease, and the broker will give it to somebody else when its patience (consumer_timeout) is over: its work would be started once more. The limit is what the broker said when it last came to that, else the default of its version',
    fields: { broker: 'string', limitMs: 'number', leftMs: 'number', remedy: 'string' },
  },
  'discovery-failed': {
    level: 'warn',
    when: 'the list of queues could not be had; the last one stands',
    fields: { kind: 'string', error: 'string' },
  },
  'queue-found': { level: 'info', when: 'a queue is served from now on', fields: { kind: 'string?' } },
  'queue-gone': { level: 'info', when: 'a queue is no longer there', fields: {} },
  'queue-ignored': {
    level: 'warn',
    when: 'a queue is there but can not be served',
    fields: { why: 'string', kind: 'string?' },
  },
  'queue-fault': {
    level: 'error',
    when: "a queue's pipeline failed; it is started again",
    fields: { error: 'string', retryMs: 'number' },
  },
  'queue-backoff': {
    level: 'info',
    when: 'a queue is left alone for a while after a message was given back',
    fields: { delayMs: 'number', why: 'string' },
  },
  'message-unreadable': {
    level: 'warn',
    when: 'a message of a directory can not be read by this runner; it lies in its queue for others, and is tried again after a growing delay',
    fields: { path: 'string', expected: 'string', error: 'string', retryMs: 'number' },
  },
  'lock-stale': {
    level: 'warn',
    when: "a client's lock file is much older than any write; it is passed over",
    fields: { path: 'string', ageMs: 'number' },
  },
  'key-changed': {
    level: 'info',
    when: 'a file of keys was added, changed or removed; it is in effect',
    fields: { file: 'string', change: 'string' },
  },
  'key-unusable': {
    level: 'warn',
    when: 'a file of keys can not be used; told once for each state of it',
    fields: { file: 'string', why: 'string' },
  },
});
