import * as node from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import { openEnv } from '../request/open-env.ts';

export type { ChildProcess } from 'node:child_process';

// The runner's environment holds its secrets, and /proc shows what a child was started with to experiments of the same user. All
// children are started here (lint/layers.ts sees to that), so that none gets them because a call left out `env`.
const withOpenEnv = <Options extends { readonly env?: NodeJS.ProcessEnv | undefined }>(options: Options) => ({
  ...options,
  env: options.env ?? openEnv(process.env),
});

const execFile = promisify(node.execFile);

/**
 * Run a program to its end, as Node's execFile does. Out: what it said, as text.
 * @param options.env default: what of the runner's environment anybody may see
 * Errors: those of execFile, with stdout and stderr; the signal's reason.
 */
export const run = (file: string, args: readonly string[], options: Omit<node.ExecFileOptions, 'encoding'> = {}) =>
  execFile(file, args, { ...withOpenEnv(options), encoding: 'utf8' });

type Stdio = 'pipe' | 'ignore';
type Piped<How extends Stdio, Stream> = How extends 'pipe' ? Stream : null;

/**
 * Start a program, as Node's spawn does.
 * @param options.env default: what of the runner's environment anybody may see
 * Errors: those of spawn that come at once; others are events of the child.
 */
export const spawn = <In extends Stdio, Out extends Stdio, Err extends Stdio>(
  file: string,
  args: readonly string[],
  options: Omit<node.SpawnOptions, 'stdio'> & { readonly stdio: readonly [In, Out, Err] },
) =>
  node.spawn(file, args, { ...withOpenEnv(options), stdio: [...options.stdio] }) as node.ChildProcessByStdio<
    Piped<In, Writable>,
    Piped<Out, Readable>,
    Piped<Err, Readable>
  >;
