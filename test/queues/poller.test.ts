import t from 'tap';
import { createAccount } from '../../lib/queues/account.ts';
import { createPoller } from '../../lib/queues/poller.ts';

interface Message {
  readonly Body: string;
}

const scene = (keepMs = 10_000) => {
  const questions: { readonly waitSeconds: number; readonly answer: (message?: Message) => void }[] = [];
  const back: (string | undefined)[] = [];
  const account = createAccount({
    kind: 'sqs',
    label: 'test',
    client: undefined,
    faultOf: () => 'transient',
    destroy: () => undefined,
    timeoutMs: 1000,
    emit: () => undefined,
  });
  const poller = createPoller<Message>({
    account,
    longestWaitSeconds: 20,
    keepMs,
    giveBack: message => back.push(message.Body),
    ask: waitSeconds => new Promise(resolve => questions.push({ waitSeconds, answer: resolve })),
  });
  return { account, poller, questions, back };
};
const never = new AbortController().signal;

t.test('who asks while a long question is out hears that there is nothing, and then its answer', async t => {
  const { poller, questions } = scene();
  const controller = new AbortController();
  const first = poller.next(controller.signal);
  controller.abort(new Error('enough'));
  await t.rejects(first, { message: 'enough' });
  t.equal(await poller.now(never), undefined);
  const second = poller.next(never);
  questions[0]?.answer({ Body: 'came' });
  t.equal((await second).Body, 'came');
  t.equal(questions.length, 1);
});

t.test('what came when nobody listened waits for the next who asks', async t => {
  const { poller, questions, back } = scene();
  const controller = new AbortController();
  const asked = poller.now(controller.signal);
  controller.abort(new Error('enough'));
  await t.rejects(asked, { message: 'enough' });
  questions[0]?.answer({ Body: 'late' });
  await new Promise(setImmediate);
  t.equal((await poller.now(never))?.Body, 'late');
  t.strictSame(back, []);
});

t.test('it is given back when nobody asks, and when the queue is let go of', async t => {
  const { poller, questions, back } = scene(5);
  const controller = new AbortController();
  const asked = poller.next(controller.signal);
  controller.abort(new Error('enough'));
  await t.rejects(asked, { message: 'enough' });
  questions[0]?.answer({ Body: 'unheard' });
  await new Promise(resolve => setTimeout(resolve, 50));
  t.strictSame(back, ['unheard']);
  const again = poller.next(never);
  const reason = new Error('let go');
  poller.close(reason);
  questions[1]?.answer({ Body: 'too late' });
  await t.rejects(again, reason);
  t.strictSame(back, ['unheard', 'too late']);
});

t.test('an empty long question is asked again', async t => {
  const { poller, questions } = scene();
  const waiting = poller.next(never);
  questions[0]?.answer();
  await new Promise(setImmediate);
  t.strictSame(
    questions.map(({ waitSeconds }) => waitSeconds),
    [20, 20],
  );
  questions[1]?.answer({ Body: 'now' });
  t.equal((await waiting).Body, 'now');
});

t.test('while credentials are away nothing is asked; who waits is answered once they are back', async t => {
  const { account, poller, questions } = scene();
  account.retired = true;
  t.equal(await poller.now(never), undefined);
  const waiting = poller.next(never);
  t.equal(await poller.now(never), undefined, 'nor while somebody waits');
  t.equal(questions.length, 0);
  account.retired = false;
  await new Promise(setImmediate);
  questions[0]?.answer({ Body: 'came' });
  t.equal((await waiting).Body, 'came');
});

t.test('who waits for credentials leaves when the queue is let go of', async t => {
  const { account, poller, questions } = scene();
  account.retired = true;
  const waiting = poller.next(never);
  const reason = new Error('let go');
  poller.close(reason);
  await t.rejects(waiting, reason);
  t.equal(questions.length, 0);
});
