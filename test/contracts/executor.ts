import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Test } from 'tap';
import type { Executor } from '../../lib/executors/executor.ts';
import { createScope } from '../../lib/flow/scope.ts';
import { AttemptError } from '../../lib/errors.ts';
import type { Run, StagedAttempt } from '../../lib/model/attempt.ts';
import { createWorkspace } from '../../lib/workspace/layout.ts';
import { eventually } from '../helpers/eventually.ts';

/** What the suite has an experiment do, in the language of the executor's programs. */
export interface Programs {
  /** Prints `out` on stdout, `err` on stderr, and exits with 3. */
  readonly streams: string;
  /** Prints each argument on a line, then the variable ASKED, then the last part of the current directory. */
  readonly tells: string;
  /** Writes `made` into ../modeldir/model. */
  readonly writes: string;
  /** Prints `begun`, starts a child that outlives it if nobody ends it, and waits for ten minutes. */
  readonly waits: string;
  /** The same, and SIGTERM does nothing to it. */
  readonly deaf: string;
}

export interface ExecutorUnderTest {
  readonly executor: Executor;
  readonly programs: Programs;
  /** Where attempts have their directories. */
  readonly home: string;
  /** Members of the request beside those of the suite: an image, for one. */
  readonly request?: Readonly<Record<string, unknown>>;
  readonly artifacts?: ReadonlyMap<string, unknown>;
}

let count = 0;

/** An attempt at one program, and what it holds. */
const attemptOf = (
  t: Test,
  under: ExecutorUnderTest,
  program: string | undefined,
  more: Readonly<Record<string, unknown>> = {},
) => {
  const workspace = createWorkspace({ home: under.home, key: `contract-${String(++count)}` });
  if (program !== undefined) writeFileSync(join(workspace.workspace, 'main.py'), program);
  mkdirSync(join(workspace.root, 'modeldir'));
  const stop = new AbortController();
  const scope = createScope((what, error) => {
    t.fail(`${what}: ${String(error)}`);
  });
  t.teardown(async () => {
    stop.abort(new AttemptError('stopping', 'the test is over'));
    await scope.close();
  });
  const attempt = {
    request: {
      key: 'k',
      filename: 'main.py',
      args: [],
      requirements: [],
      extraRequirements: [],
      env: {},
      artifacts: new Map([['workspace', {}], ...(under.artifacts ?? [])]),
      ...under.request,
      ...more,
    },
    workspace,
    grant: { amounts: { cores: 1, memoryBytes: 0, diskBytes: 0 }, gpuUuids: [] },
    identity: { number: 1, accession: `host-${String(count)}-1` },
    delivery: { history: [] },
    record: { queue: 'q', attempt: 'a', began: false },
    stagedAtMs: Date.now(),
    document: { set: () => undefined },
    signal: stop.signal,
    scope,
  } as unknown as StagedAttempt;
  return { attempt, stop, scope };
};

const started = async ({ executor }: ExecutorUnderTest, attempt: StagedAttempt): Promise<Run> =>
  executor.start({ ...attempt, command: await executor.provision(attempt), readyAtMs: Date.now() });

/** Processes that carry the marker of an attempt. */
const leftOf = ({ workspace }: StagedAttempt): string[] =>
  readdirSync('/proc').filter(pid => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(
        `STUDIOML_EXPERIMENT=${workspace.root.split('/').at(-1) ?? ''}`,
      );
    } catch {
      return false;
    }
  });
const isGone = (attempt: StagedAttempt) =>
  eventually(() => {
    assert.deepEqual(leftOf(attempt), []);
  });

/** Read until `word` was printed; the rest is read and dropped. */
const printed = (run: Run, word: string): Promise<void> =>
  new Promise((resolve, reject) => {
    let all = '';
    run.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      all += chunk;
      if (all.includes(word)) resolve();
    });
    run.stdout.once('end', () => {
      reject(new Error(`it ended without ${word}: ${all}`));
    });
    run.stderr.resume();
  });

/** What every way to run experiments does alike. `open` gives undefined, and has said why, where there is none to be had. */
export const executorContract = (
  t: Test,
  name: string,
  open: (t: Test) => Promise<ExecutorUnderTest | undefined>,
): void => {
  const behaviour = (title: string, check: (t: Test, under: ExecutorUnderTest) => Promise<void>) => {
    t.test(`${name}: ${title}`, { timeout: 120_000 }, async t => {
      const under = await open(t);
      if (under) await check(t, under);
    });
  };

  behaviour('both streams come apart, and the exit code', async (t, under) => {
    const { attempt } = attemptOf(t, under, under.programs.streams);
    const run = await started(under, attempt);
    const [out, err, exit] = await Promise.all([text(run.stdout), text(run.stderr), run.exit]);
    t.equal(out, 'out\n');
    t.equal(err, 'err\n');
    t.match(exit, { code: 3, signal: null });
    t.ok(exit.endedAtMs >= exit.startedAtMs);
    await isGone(attempt);
  });

  behaviour('arguments and variables arrive as they are, the current directory is the workspace', async (t, under) => {
    const args = ['a b', '$HOME', '; exit 1', '"', '*'];
    const { attempt } = attemptOf(t, under, under.programs.tells, { args, env: { ASKED: 'x $y "z"' } });
    const run = await started(under, attempt);
    run.stderr.resume();
    t.strictSame((await text(run.stdout)).split('\n'), [...args, 'x $y "z"', 'workspace', '']);
  });

  behaviour('artifacts lie beside the workspace', async (t, under) => {
    const { attempt } = attemptOf(t, under, under.programs.writes);
    const run = await started(under, attempt);
    run.stdout.resume();
    run.stderr.resume();
    t.match(await run.exit, { code: 0 });
    t.match(readFileSync(join(attempt.workspace.root, 'modeldir/model'), 'utf8'), /^made/);
  });

  behaviour('an abort stops it, and nothing that it started is left', async (t, under) => {
    const { attempt, stop } = attemptOf(t, under, under.programs.waits);
    const run = await started(under, attempt);
    await printed(run, 'begun');
    t.ok(leftOf(attempt).length > 0);
    stop.abort(new AttemptError('cancelled', 'its user'));
    t.match(await run.exit, { stoppedBy: 'cancelled' });
    await isGone(attempt);
  });

  behaviour('the first reason to stop counts; who is deaf to SIGTERM is killed after the grace', async (t, under) => {
    const { attempt, stop } = attemptOf(t, under, under.programs.deaf);
    const run = await started(under, attempt);
    await printed(run, 'begun');
    run.stop('out-of-disk');
    stop.abort(new AttemptError('cancelled', 'too late'));
    t.match(await run.exit, { stoppedBy: 'out-of-disk' });
    await isGone(attempt);
  });

  behaviour('max_duration ends it', async (t, under) => {
    const { attempt } = attemptOf(t, under, under.programs.waits, { maxDurationMs: 300 });
    const run = await started(under, attempt);
    run.stdout.resume();
    run.stderr.resume();
    t.match(await run.exit, { stoppedBy: 'max-duration' });
    await isGone(attempt);
  });

  behaviour(
    'a program that is not there is no such program; one that leads out of the workspace neither',
    async (t, under) => {
      for (const filename of ['missing.py', '../main.py', '/etc/passwd']) {
        const { attempt } = attemptOf(t, under, undefined, { filename });
        await t.rejects(started(under, attempt), { code: 'no-such-program' });
      }
    },
  );

  behaviour('what was aborted before its start never starts', async (t, under) => {
    const { attempt, stop } = attemptOf(t, under, under.programs.waits);
    const command = await under.executor.provision(attempt);
    stop.abort(new AttemptError('stopping', 'the runner ends'));
    await t.rejects(
      async () => {
        await under.executor.start({ ...attempt, command, readyAtMs: Date.now() });
      },
      { code: 'stopping' },
    );
    await isGone(attempt);
  });
};
