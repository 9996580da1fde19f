import { statSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { AttemptError } from '../errors.ts';
import { tried } from '../flow/tried.ts';
import type { ReadyAttempt, StagedAttempt } from '../model/attempt.ts';
import { deadlineMs } from '../request/effective.ts';

/** The longest that anything may run. Source: spec "Limits and stops". */
const maxRunMs = 96 * 3_600_000;

/** argv after the interpreter. Synchronous: it is one look, which takes some microseconds. Errors: `no-such-program`. */
export const programOf = ({ request, workspace }: StagedAttempt): readonly string[] => {
  const { filename = '', args } = request;
  if (filename === '-m') return ['-m', ...args];
  const fail = (why: string) => new AttemptError('no-such-program', `the program can not be run: ${why}`, { filename });
  const clean = normalize(filename);
  if (filename === '' || clean.startsWith('/') || clean === '..' || clean.startsWith('../')) {
    throw fail('expected a file inside the workspace, or -m');
  }
  if (!tried(() => statSync(join(workspace.workspace, clean)))?.isFile())
    throw fail('there is no such file in the workspace');
  // Python would take a name that begins with a dash for an option.
  return [clean.startsWith('-') ? `./${clean}` : clean, ...args];
};

/**
 * How long an attempt may run, ms: max_duration, or what is left of its lifetime once its environment stands, by its own clock, which a
 * replay sets back.
 */
export const longestRunMs = ({ request, readyAtMs }: Pick<ReadyAttempt, 'request' | 'readyAtMs'>): number => {
  const leftMs = (deadlineMs(request) ?? Infinity) - readyAtMs;
  return Math.max(0, Math.min(maxRunMs, request.maxDurationMs ?? maxRunMs, leftMs));
};
