import { messageOf } from '../errors.ts';
import type { Pace } from '../flow/pace.ts';
import type { AttemptReports } from '../model/attempt.ts';
import type { Cause, End } from '../model/outcome.ts';
import { readDirective } from '../output/directive.ts';
import { exitCodeOf } from '../output/end-of-run.ts';
import { maxJsonCharacters, ReportQueue, type WaitingReport } from './report-queue.ts';
import { sendReports } from './send-reports.ts';

export interface AttemptReportsSettings {
  /** The work queue's short name. */
  readonly queueName: string;
  readonly takenAtMs: number;
  /** Undefined: there is no key, so nobody can listen. */
  readonly seal: (report: WaitingReport) => Promise<string | undefined>;
  /** False: there is no listener. */
  readonly publish: (body: string, signal: AbortSignal) => Promise<boolean>;
  readonly pace: Pace;
  /** The last report is given up after so many ms. */
  readonly deadlineMs: number;
  readonly now: () => number;
  /** Hears once of a listener that can't be reached, until it can be again. */
  readonly onFailure: (error: string) => void;
  /** Hears of an attempt whose last reports were not sent. */
  readonly onLost: (lost: number, error: string) => void;
}

/** For so long nothing is kept for a listener that isn't there, ms. */
const absentMs = 10_000;

/** Ends of attempts that never began and that no other attempt follows. */
const lastWords: readonly Cause[] = ['expired', 'runner-died'];

/** Reports of one attempt, from the taking of its message to its end. Source: spec "Reports". */
export const createAttemptReports = (settings: AttemptReportsSettings): AttemptReports => {
  const { now, seal, publish, pace } = settings;
  const queue = new ReportQueue();
  const closing = new AbortController();
  const hurrying = new AbortController();
  let absentUntilMs = -Infinity;
  let sending: Promise<void> | undefined;
  let unsent = 0;
  let lastError = '';
  let begun = false;
  let finishing: Promise<void> | undefined;

  const send = (): void => {
    sending ??= sendReports({
      queue,
      seal,
      pace,
      publish: async (body, signal) => {
        const listens = await publish(body, signal);
        lastError = '';
        return listens;
      },
      signal: closing.signal,
      hurry: hurrying.signal,
      onFailure: error => {
        if (lastError === '') settings.onFailure(error);
        lastError = error;
      },
      onAbsent: () => {
        absentUntilMs = now() + absentMs;
      },
    })
      .catch((error: unknown) => {
        // Ended, or a fault of this program: the one that was in hand is not sent either.
        unsent += 1 + queue.size;
        queue.clear();
        if (!closing.signal.aborted) lastError = messageOf(error);
      })
      .finally(() => {
        sending = undefined;
        if (queue.size > 0 && !closing.signal.aborted) send();
      });
  };

  const pushState: ReportQueue['pushState'] = (payload, atMs) => {
    queue.pushState(payload, atMs);
    send();
  };

  const tell = (severity: 'Info' | 'Error', line: string, atMs: number): void => {
    if (atMs < absentUntilMs) return;
    queue.pushLine(severity, line, atMs);
    if (sending === undefined) send();
  };

  const pushEnd = ({ cause, message, exit }: End, atMs: number): void => {
    const success = cause === 'completed';
    const fields = success ? { success: 'True' } : { success: 'False', error: message };
    queue.pushState({ type: 'log', severity: 'Info', message: 'stop', fields }, atMs);
    const code = exit && exitCodeOf(exit);
    const error = { msg: `${cause}: ${message}`, ...(typeof code === 'number' ? { code } : {}) };
    pushState(success ? { type: 'state', state: 'Success' } : { type: 'state', state: 'Failed', error }, atMs);
  };

  const finish = async (end: End): Promise<void> => {
    if (!begun && !lastWords.includes(end.cause)) return;
    pushEnd(end, now());
    // Words cost less than the error that is made without a reason.
    hurrying.abort('the last report is in line');
    // Half of the time is for what the experiment printed last.
    const half = setTimeout(() => {
      unsent += queue.dropOutput();
    }, settings.deadlineMs / 2);
    const late = setTimeout(() => {
      closing.abort(new Error(`not sent within ${String(settings.deadlineMs)} ms`));
    }, settings.deadlineMs);
    while (sending) await sending;
    clearTimeout(half);
    clearTimeout(late);
    if (unsent > 0) settings.onLost(unsent, lastError || 'its listener was too slow');
  };

  pushState(
    { type: 'log', severity: 'Debug', message: 'scanning queue', fields: { queue_name: settings.queueName } },
    settings.takenAtMs,
  );
  return {
    begun: () => {
      begun = true;
      pushState({ type: 'state', state: 'Started' }, now());
    },
    started: atMs => {
      pushState({ type: 'log', severity: 'Info', message: 'start' }, atMs);
    },
    stdoutLine: (line, atMs) => {
      if (atMs < absentUntilMs) return;
      if (line.length <= maxJsonCharacters && readDirective(line) !== undefined) {
        queue.pushProgress(line, atMs);
        if (sending === undefined) send();
      } else tell('Info', line, atMs);
    },
    stderrLine: (line, atMs) => {
      tell('Error', line, atMs);
    },
    finish: end => (finishing ??= finish(end)),
    close: () => {
      closing.abort(new Error('the attempt is over'));
    },
  };
};
