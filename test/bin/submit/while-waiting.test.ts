import t from 'tap';
import { createWaiting, type WaitingSettings } from '../../../bin/submit/while-waiting.ts';
import type { DeadLetter, DeadLetters } from '../../../lib/queues/dead-letters.ts';

const letterOf = (body: string): DeadLetter => ({
  kind: 'directory',
  queue: 'q',
  place: '/q',
  id: 'letter-1',
  reason: 'clear-text-refused',
  message: 'clear text is not accepted',
  history: [],
  atMs: 0,
  body: Buffer.from(body),
});

const scene = (over: Partial<WaitingSettings> = {}) => {
  const state = { nowMs: 0, letters: [] as DeadLetter[], looks: 0, closed: 0, said: [] as string[] };
  const dead: DeadLetters = {
    kind: 'directory',
    queues: () => Promise.resolve(['q']),
    visit: (queue, judge) => {
      state.looks += 1;
      for (const letter of state.letters) if (judge(letter) !== 'keep') throw new Error(`not kept [queue=${queue}]`);
      return Promise.resolve();
    },
    close: () => {
      state.closed += 1;
      return Promise.resolve();
    },
  };
  const waiting = createWaiting({
    queue: 'q',
    body: Buffer.from('the message'),
    startByMs: 3_600_000,
    openDeadLetters: () => Promise.resolve([dead]),
    depth: () => Promise.resolve(3),
    say: words => state.said.push(words),
    signal: new AbortController().signal,
    now: () => state.nowMs,
    ...over,
  });
  /** A look each second for so long; the first that tells something. */
  const wait = async (ms: number) => {
    for (const untilMs = state.nowMs + ms; state.nowMs < untilMs; state.nowMs += 1000) {
      const why = await waiting.look();
      if (why) return why;
    }
    return undefined;
  };
  return { state, waiting, wait };
};

t.test('a message that became a dead letter never runs, others among them say nothing', async t => {
  const { state, wait } = scene();
  state.letters = [letterOf('another')];
  t.equal(await wait(10_000), undefined);
  state.letters.push(letterOf('the message'));
  t.strictSame(await wait(60_000), {
    status: 'rejected',
    message: 'it was rejected: clear-text-refused: clear text is not accepted [queue=q, dead letter=letter-1]',
  });
  t.equal(state.closed, state.looks, 'nothing stays open');
});

t.test('it looks ever more rarely, and says what it waits for', async t => {
  const { state, wait } = scene();
  t.equal(await wait(3_000_000), undefined);
  t.ok(state.looks > 45 && state.looks < 60, String(state.looks));
  t.match(state.said[0], /^waiting for \d+ s; 3 messages lie on the queue; runner why q asks a runner what for$/);
  t.ok(state.said.length > 3 && state.said.length < 9, 'a word less and less often');
});

t.test('what no runner starts within its lifetime is over', async t => {
  const { wait } = scene({ startByMs: 100_000, depth: () => Promise.resolve(1) });
  t.strictSame(await wait(1_000_000), {
    status: 'expired',
    message: 'no runner started it within its lifetime; 1 message lies on the queue [queue=q]',
  });
});

t.test('dead letters that can not be looked at end nothing, and are told of once', async t => {
  const { state, wait } = scene({ openDeadLetters: () => Promise.reject(new Error('no leave to read')) });
  t.equal(await wait(20_000), undefined);
  t.strictSame(state.said, ['it can not be told whether it was rejected: no leave to read']);
});

t.test('the reason of an end without a run is asked for at once', async t => {
  const { state, waiting } = scene();
  state.letters = [letterOf('the message')];
  t.match(await waiting.refusal(), { status: 'rejected' });
  t.match(await scene({ startByMs: -1 }).waiting.refusal(), { status: 'expired' });
});
