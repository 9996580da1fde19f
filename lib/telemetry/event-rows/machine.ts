import { table } from './row.ts';

/** What a machine has and keeps for experiments: cards, limits, caches, environments, images. */
export const machineEvents = table({
  'gpus-found': {
    level: 'info',
    when: 'these cards and MIG instances can be granted',
    fields: { gpus: 'strings' },
  },
  'gpu-unknown': {
    level: 'warn',
    when: 'a card is of a model whose slots are not known: they are derived from its memory (see GPU_SLOTS)',
    fields: { name: 'string', slots: 'number' },
  },
  'gpu-unfit': {
    level: 'warn',
    when: 'a card can not be granted; told once for each state of it',
    fields: { gpu: 'string', name: 'string', why: 'string' },
  },
  'gpus-unavailable': {
    level: 'warn',
    when: 'cards can not be looked at, and so not be granted; they are looked at again',
    fields: { why: 'string' },
  },
  quarantined: {
    level: 'error',
    when: 'experiments of several projects failed one after the other for faults of the machine: no more work is taken for a while',
    fields: { cause: 'string', failures: 'number', forMs: 'number' },
  },
  'gpu-quarantined': {
    level: 'error',
    when: 'experiments of several projects failed on one card: it is granted no more for a while',
    fields: { gpu: 'string', failures: 'number', forMs: 'number' },
  },
  'quarantine-ended': {
    level: 'info',
    when: 'the machine, or a card, is tried again',
    fields: { gpu: 'string?' },
  },
  'cache-hit': {
    level: 'debug',
    when: 'an input was brought in from the cache, mounted over it (`overlay`) or copied',
    fields: {
      artifact: 'string',
      object: 'string',
      hash: 'string',
      bytes: 'number',
      by: 'string',
      durationMs: 'number',
    },
  },
  'cache-miss': {
    level: 'debug',
    when: 'an input was not in the cache; it is fetched',
    fields: { artifact: 'string', object: 'string', hash: 'string?', why: 'string' },
  },
  'cache-damaged': {
    level: 'warn',
    when: 'what the cache held is not what was written; it is fetched again',
    fields: { object: 'string', hash: 'string', why: 'string' },
  },
  'cache-evicted': {
    level: 'debug',
    when: 'something was taken out of the cache to make room',
    fields: { hash: 'string', bytes: 'number' },
  },
  'cache-copies': {
    level: 'info',
    when: 'the cache can not be mounted over: each attempt gets a copy, which shares blocks where the file system can',
    fields: { why: 'string' },
  },
  'environment-built': {
    level: 'info',
    when: 'packages were installed for an experiment, and are shared with those who ask for the same from now on',
    fields: { environment: 'string', packages: 'number', bytes: 'number', durationMs: 'number' },
  },
  'environment-changed': {
    level: 'warn',
    when: 'files of a shared environment were changed, by an experiment that ran in it: it is used no more, and built anew when it is asked for',
    fields: { environment: 'string', what: 'string' },
  },
  'environment-evicted': {
    level: 'info',
    when: 'a shared environment that was not used for long was removed, to keep all of them within their size',
    fields: { environment: 'string', bytes: 'number', leftBytes: 'number' },
  },
  'image-pulling': {
    level: 'info',
    when: 'an image is on its way; told once a second, with the bytes of the layers known so far',
    fields: { image: 'string', doneBytes: 'number', totalBytes: 'number' },
  },
  'limits-watched': {
    level: 'warn',
    when: 'limits of experiments can not be left to control groups',
    fields: { why: 'string' },
  },
  'leftovers-ended': {
    level: 'warn',
    when: 'processes were ended that a runner left which died',
    fields: { processes: 'number' },
  },
});
