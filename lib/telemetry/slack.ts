import type { Observable } from 'rxjs';
import { messageOf } from '../errors.ts';
import { sleep } from '../flow/wait.ts';
import type { Emit, RunnerEvent } from './events.ts';
import { fit, humanDuration } from './person-format.ts';

/** What Slack is told of one attempt. */
export interface SlackMessage {
  readonly text: string;
  /** Channel or user; undefined: that of the hook. */
  readonly channel: string | undefined;
}

/** config.runner.slack_destination, and where its output is. */
export interface AboutAttempt {
  readonly destination?: string | undefined;
  readonly results?: string | undefined;
}

export interface SlackSettings {
  readonly hook: string;
  /** Where messages go that name no destination of their own. */
  readonly room: string | undefined;
  readonly events$: Observable<RunnerEvent>;
  readonly emit: Emit;
  /** What the request of an attempt says about this. */
  readonly aboutAttempt: (attempt: string) => AboutAttempt | undefined;
  readonly host: string;
  /** Between two messages, ms: Slack takes one a second for each hook. */
  readonly everyMs?: number;
}

export interface Slack {
  /** Send what waits, for so long at most, ms. */
  close(timeoutMs?: number): Promise<void>;
}

/** Messages that wait; of more the oldest go, counted. */
const most = 100;
const timeoutMs = 10_000;
const longestWaitMs = 5 * 60_000;
const tries = 5;

/** Text of experiments is no markup. Source: Slack, "Escaping text". */
const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').slice(0, 2000);
const short = (text: string): string => fit(text, Math.min([...text].length, 80));

/** Ends that the user hears of: a message that is only given back is nobody's news. */
const isEnd = (settlement: unknown): boolean =>
  settlement === 'accept' || settlement === 'reject' || settlement === 'retry';

const textOf = (
  { event, queue = '', experiment = '', project, fields }: RunnerEvent,
  host: string,
  results?: string,
) => {
  const who = `*${escaped(short(experiment))}*${project === undefined ? '' : ` (${escaped(short(project))})`}`;
  if (event === 'started') return `${who} has started on ${escaped(host)}, from ${escaped(queue)}`;
  const cause = String(fields['cause']);
  const took = humanDuration(Number(fields['durationMs'] ?? 0));
  const how =
    cause === 'completed' ? 'has completed' : `has ended: ${escaped(cause)}: ${escaped(String(fields['message']))}`;
  const next = fields['settlement'] === 'retry' ? '; it is tried again' : '';
  const where = results === undefined ? '' : `; its output is at ${escaped(results)}`;
  return `${who} ${how}${next} (${took} on ${escaped(host)})${where}`;
};

/**
 * Tell Slack of experiments: that they started, how they ended, and where their results are. An observer: nothing waits for it, what waits
 * is bounded, and Slack's limits are kept (one message a second; where it says 429, as long as it asks for).
 * Source: spec "Options", config.runner.slack_destination.
 */
export const tellSlack = (settings: SlackSettings): Slack => {
  const { hook, room, events$, emit, aboutAttempt, host, everyMs = 1000 } = settings;
  const waiting: SlackMessage[] = [];
  const ending = new AbortController();
  let dropped = 0;
  let lastError = 'it is overloaded';
  let sending: Promise<void> | undefined;

  /** When to try again, ms; undefined: it was taken, or never will be. */
  const post = async ({ text, channel }: SlackMessage): Promise<number | undefined> => {
    const response = await fetch(hook, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text, ...(channel === undefined ? {} : { channel }) }),
      signal: AbortSignal.any([ending.signal, AbortSignal.timeout(timeoutMs)]),
    });
    await response.body?.cancel();
    const { ok, status, headers } = response;
    if (status === 429 || status >= 500)
      return Math.min(longestWaitMs, Number(headers.get('retry-after') ?? 1) * 1000 || everyMs);
    if (!ok) emit('slack-failed', { error: `Slack refuses a message with ${String(status)}`, dropped: 1 });
    return undefined;
  };

  const deliver = async (message: SlackMessage): Promise<void> => {
    for (let attempt = 1; attempt <= tries; attempt++) {
      const again = await post(message).catch((error: unknown) => {
        ending.signal.throwIfAborted();
        lastError = messageOf(error);
        return everyMs * 2 ** attempt;
      });
      if (again === undefined) return;
      await sleep(again, ending.signal);
    }
    // The hook's URL is a secret, and errors may name it.
    emit('slack-failed', { error: `Slack takes no message: ${lastError.replaceAll(hook, 'the hook')}`, dropped: 1 });
  };

  const pump = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await deliver(next);
      if (dropped > 0) {
        emit('slack-failed', { error: 'Slack takes messages too slowly', dropped });
        dropped = 0;
      }
      if (waiting.length > 0) await sleep(everyMs, ending.signal);
    }
  };

  const subscription = events$.subscribe(event => {
    const { attempt = '', experiment, fields } = event;
    const isNews = event.event === 'started' || (event.event === 'settled' && isEnd(fields['settlement']));
    if (!isNews || experiment === undefined) return;
    const about = aboutAttempt(attempt) ?? {};
    if (waiting.length >= most) {
      waiting.shift();
      dropped += 1;
    }
    waiting.push({ text: textOf(event, host, about.results), channel: about.destination ?? room });
    sending ??= pump()
      .catch(() => undefined)
      .finally(() => {
        sending = undefined;
      });
  });

  return {
    close: async (closeMs = 5000) => {
      subscription.unsubscribe();
      const late = setTimeout(() => ending.abort(new Error('the runner ends')), closeMs);
      await sending;
      clearTimeout(late);
    },
  };
};
