import { table } from './row.ts';

/** One message from its queue to its settlement, in the order in which it happens. */
export const attemptEvents = table({
  'message-unasked': {
    level: 'debug',
    when: 'a broker handed over a message that there is no room for: it is held for a moment, or it was given back',
    fields: { state: 'string' },
  },
  'message-taken': {
    level: 'debug',
    when: 'a message was taken from a queue',
    fields: { id: 'string', bytes: 'number' },
  },
  'fingerprint-mismatch': {
    level: 'warn',
    when: 'an envelope names another key than the one that its signature is of; the signature decides',
    fields: { found: 'string', expected: 'string' },
  },
  opened: { level: 'debug', when: 'a sealed message was opened', fields: { durationMs: 'number' } },
  'no-room': {
    level: 'warn',
    when: 'a request needs more than this machine has, or has free',
    fields: { lacking: 'object', ever: 'boolean' },
  },
  admitted: { level: 'info', when: 'resources are reserved', fields: { granted: 'object', waitedMs: 'number' } },
  'fence-failed': {
    level: 'warn',
    when: "the mark that keeps attempts of one experiment apart could not be read or written in the experiment's metadata store; the attempt goes on without",
    fields: { error: 'string' },
  },
  'stood-back': {
    level: 'warn',
    when: 'another attempt of the experiment has begun: this one stores nothing more',
    fields: { cause: 'string', by: 'string', byAttempt: 'number' },
  },
  transferring: {
    level: 'info',
    when: 'a transfer takes longer than a second; told once a second while bytes come. Of what is packed on its way, the bytes before that',
    fields: {
      operation: 'string',
      artifact: 'string',
      doneBytes: 'number',
      totalBytes: 'number?',
      bytesPerSecond: 'number',
    },
  },
  staged: {
    level: 'debug',
    when: 'every input is in place',
    fields: { artifacts: 'number', bytes: 'number', durationMs: 'number' },
  },
  provisioned: {
    level: 'debug',
    when: 'the environment is ready',
    fields: { environment: 'string', built: 'boolean', durationMs: 'number' },
  },
  started: { level: 'info', when: 'the experiment runs', fields: { pid: 'number?' } },
  'directive-skipped': {
    level: 'warn',
    when: 'a line of output looked like a directive and could not be applied (told at most once a second, with the count since)',
    fields: { error: 'string', line: 'string', count: 'number' },
  },
  'checkpoint-clamped': {
    level: 'info',
    when: 'the interval of checkpoints asked for is out of range',
    fields: { askedMs: 'number', usedMs: 'number' },
  },
  checkpointed: {
    level: 'debug',
    when: 'changed artifacts were stored while it runs',
    fields: { artifacts: 'strings', bytes: 'number', durationMs: 'number' },
  },
  'checkpoint-failed': {
    level: 'warn',
    when: 'a checkpoint could not be stored; the next one is tried',
    fields: { error: 'string' },
  },
  ended: {
    level: 'info',
    when: 'the experiment ended, well or not, and what it made is about to be stored',
    fields: {
      cause: 'string',
      message: 'string',
      exitCode: 'number?',
      signal: 'string?',
      durationMs: 'number?',
      limitBytes: 'number?',
      peakBytes: 'number?',
      stderr: 'strings?',
    },
  },
  'store-retry': {
    level: 'warn',
    when: 'a transfer failed and is tried again',
    fields: { operation: 'string', object: 'string', error: 'string', retryMs: 'number', tries: 'number' },
  },
  stored: {
    level: 'debug',
    when: 'everything an attempt made is in the store',
    fields: { artifacts: 'strings', bytes: 'number', durationMs: 'number' },
  },
  'upload-left': {
    level: 'warn',
    when: 'parts of a large upload that failed could not be taken away from their store. left: they will be when it answers again; removed: they were; given-up: they stay there',
    fields: { object: 'string', upload: 'string', state: 'string', error: 'string?' },
  },
  'results-kept': {
    level: 'error',
    when: 'what a run made could not be stored, and it will not be run again: it stays on this machine until a person takes it',
    fields: { directory: 'string', artifacts: 'strings', bytes: 'number', error: 'string' },
  },
  'reports-off': {
    level: 'info',
    when: 'experiments of a queue are not reported, since there is no key to seal reports with (told once)',
    fields: { why: 'string' },
  },
  'report-failed': {
    level: 'warn',
    when: 'a report could not be sent; it is tried again (told once, until one was sent)',
    fields: { error: 'string' },
  },
  'reports-lost': {
    level: 'warn',
    when: 'an attempt ended and not all of its reports were sent in time',
    fields: { lost: 'number', error: 'string' },
  },
  cancelled: { level: 'info', when: 'its user has stopped an experiment', fields: { by: 'string' } },
  'record-failed': {
    level: 'warn',
    when: "the experiment's object in the metadata store, or its artifact _status, could not be read or written; it is tried again",
    fields: { error: 'string' },
  },
  'duty-late': {
    level: 'warn',
    when: 'a duty at the end of an attempt takes longer than its deadline',
    fields: { duty: 'string', deadlineMs: 'number' },
  },
  'store-failed': {
    level: 'warn',
    when: 'what an attempt left could not be stored, and its end does not wait for that',
    fields: { error: 'string' },
  },
  expired: { level: 'info', when: 'a request was past its lifetime before it started', fields: { lateMs: 'number' } },
  settled: {
    level: 'info',
    when: 'the queue was told how a message ended',
    fields: {
      settlement: 'string',
      cause: 'string',
      message: 'string',
      delayMs: 'number',
      durationMs: 'number',
      timings: 'object',
    },
  },
  'settle-failed': {
    level: 'warn',
    when: 'the queue could not be told; the message comes back by itself',
    fields: { settlement: 'string', error: 'string' },
  },
  'dead-letter-unplaced': {
    level: 'error',
    when: 'a message that must not be run again found no place among the dead letters: it is back in its queue, which this runner leaves alone for a growing delay; `remedy` says what to do',
    fields: { reason: 'string', error: 'string', remedy: 'string', delayMs: 'number' },
  },
  'release-failed': {
    level: 'error',
    when: 'something an attempt held could not be given back',
    fields: { what: 'string', error: 'string' },
  },
  'memory-overdrawn': {
    level: 'warn',
    when: 'an experiment uses more memory than it asked for (told once)',
    fields: { askedBytes: 'number', usedBytes: 'number' },
  },
  'kill-incomplete': { level: 'error', when: 'processes of an experiment survive SIGKILL', fields: { pids: 'string' } },
});
