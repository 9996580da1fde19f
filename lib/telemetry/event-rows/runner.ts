import { table } from './row.ts';

/** The runner itself, and those that it tells. */
export const runnerEvents = table({
  'runner-started': {
    level: 'info',
    when: 'the runner is ready to take work',
    fields: { version: 'string', host: 'string', cores: 'number', memoryBytes: 'number', diskBytes: 'number' },
  },
  'runner-stopping': { level: 'info', when: 'no more work is taken', fields: { why: 'string' } },
  'runner-stopped': { level: 'info', when: 'everything was settled or given back', fields: { settled: 'number' } },
  'option-ignored': {
    level: 'warn',
    when: 'an option has no effect where the runner is',
    fields: { option: 'string', why: 'string' },
  },
  'http-listening': { level: 'info', when: 'the HTTP address answers', fields: { address: 'string' } },
  'http-unavailable': {
    level: 'warn',
    when: 'the default HTTP address can not be had; the runner goes on without',
    fields: { address: 'string', error: 'string' },
  },
  'slack-failed': {
    level: 'warn',
    when: 'Slack could not be told of an experiment',
    fields: { error: 'string', dropped: 'number' },
  },
  'sink-lost': {
    level: 'warn',
    when: 'an event sink is down or too slow; what it does not take is kept up to a bound, then dropped',
    fields: { sink: 'string', dropped: 'number', error: 'string' },
  },
  'sink-back': {
    level: 'info',
    when: 'an event sink takes events again; so many were dropped meanwhile',
    fields: { sink: 'string', dropped: 'number' },
  },
  'state-changed': {
    level: 'info',
    when: 'a ConfigMap asks runners for something else than before',
    fields: { state: 'string' },
  },
  'state-unknown': {
    level: 'warn',
    when: 'a ConfigMap asks for a state that there is not; what was asked for before stands',
    fields: { map: 'string', found: 'string', expected: 'strings' },
  },
  'state-unavailable': {
    level: 'warn',
    when: 'a ConfigMap can not be watched, for want of permissions (get, list, watch) or of an answer; what was heard last stands, and it is tried again',
    fields: { map: 'string', error: 'string', retryMs: 'number' },
  },
  'state-available': { level: 'info', when: 'a ConfigMap is watched again', fields: { map: 'string' } },
});
