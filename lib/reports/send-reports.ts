import { messageOf } from '../errors.ts';
import type { Pace } from '../flow/pace.ts';
import { sleep, within } from '../flow/wait.ts';
import type { ReportQueue, WaitingReport } from './report-queue.ts';

export interface SendSettings {
  readonly queue: ReportQueue;
  /** A report as it is sent. Undefined: there is no key, so nobody can listen. */
  readonly seal: (report: WaitingReport) => Promise<string | undefined>;
  /** False: there is no listener. */
  readonly publish: (body: string, signal: AbortSignal) => Promise<boolean>;
  readonly pace: Pace;
  /** Ends the sending; what waits stays. */
  readonly signal: AbortSignal;
  /** Aborts when the last report is in line: no more pauses. */
  readonly hurry: AbortSignal;
  readonly onFailure: (error: string) => void;
  readonly onAbsent: () => void;
}

/** How long one report may take to be published, ms. */
const publishMs = 10_000;
const firstRetryMs = 500;
const maxRetryMs = 15_000;
const hurriedRetryMs = 250;

/** Wait, but not in a hurry; rejects when the sending ends. */
const pause = async (ms: number, { signal, hurry }: SendSettings): Promise<void> => {
  if (!hurry.aborted) await sleep(ms, AbortSignal.any([signal, hurry])).catch(() => undefined);
  if (hurry.aborted) await sleep(Math.min(ms, hurriedRetryMs), signal);
  signal.throwIfAborted();
};

/** One report, tried again until it is published or there is no listener: sealed each time, since keys change and go. */
const sendOne = async (report: WaitingReport, settings: SendSettings): Promise<boolean> => {
  for (let retryMs = firstRetryMs; ; retryMs = Math.min(retryMs * 2, maxRetryMs)) {
    const body = await settings.seal(report);
    if (body === undefined) return false;
    try {
      return await within(publishMs, signal => settings.publish(body, signal), settings.signal);
    } catch (error) {
      settings.signal.throwIfAborted();
      settings.onFailure(messageOf(error));
      await pause(retryMs, settings);
    }
  }
};

/**
 * Send what waits, one report after another, until nothing does. The symmetric key that each has costs an RSA step, so there is a
 * pace: an experiment that prints without end doesn't take a core away from others.
 * Out: whether everything was sent. Errors: the signal's reason; what sealing throws.
 */
export const sendReports = async (settings: SendSettings): Promise<void> => {
  const { queue, pace, signal, hurry } = settings;
  for (let report = queue.take(); report; report = queue.take()) {
    signal.throwIfAborted();
    if (!hurry.aborted) await pace(AbortSignal.any([signal, hurry])).catch(() => undefined);
    if (await sendOne(report, settings)) continue;
    queue.clear();
    settings.onAbsent();
  }
};
