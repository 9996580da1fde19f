import type { Message, SQSClient } from '@aws-sdk/client-sqs';
import assert from 'node:assert/strict';
import t, { type Test } from 'tap';
import { createSqsBroker, type SqsSettings } from '../../../lib/queues/sqs/broker.ts';
import type { Accounts } from '../../../lib/queues/sqs/credentials.ts';
import { createEventBus, type RunnerEvent } from '../../../lib/telemetry/events.ts';
import { eventually } from '../../helpers/eventually.ts';

const never = new AbortController().signal;
const url = 'http://stub/1/sqs_a';

type Answer = (input: Readonly<Record<string, unknown>>) => unknown;

/** What SQS answers with an error: the code is the error's name. */
const fault = (name: string, status = 400, message = name): Error =>
  Object.assign(new Error(message), { name, $metadata: { httpStatusCode: status } });

const noMessage = new Promise<never>(() => undefined);

const accountsOf = (client: SQSClient): Accounts => ({
  accounts: [{ label: 'stub', version: '', createClient: () => client }],
  faults: [],
});

/** A broker whose one account has one queue with one message, and answers as `answers` says. */
const stubbed = (t: Test, answers: Readonly<Record<string, Answer>>, settings: Partial<SqsSettings> = {}) => {
  const asked: (readonly [name: string, input: Readonly<Record<string, unknown>>])[] = [];
  let messages: Message[] = [
    { MessageId: 'm', ReceiptHandle: 'r', Body: 'body', Attributes: { ApproximateReceiveCount: '3' } },
  ];
  const usual: Record<string, Answer> = {
    ListQueues: () => ({ QueueUrls: [url] }),
    ListDeadLetterSourceQueues: () => ({ queueUrls: [] }),
    GetQueueAttributes: () => ({ Attributes: {} }),
    ReceiveMessage: ({ WaitTimeSeconds }) => {
      const Messages = messages;
      messages = [];
      return Messages.length > 0 || WaitTimeSeconds === 0 ? { Messages } : noMessage;
    },
    ...answers,
  };
  const send = async (command: { readonly constructor: { readonly name: string }; readonly input: object }) => {
    const name = command.constructor.name.replace(/Command$/, '');
    const input = command.input as Record<string, unknown>;
    asked.push([name, input]);
    return (await usual[name]?.(input)) ?? {};
  };
  const client = { send, destroy: () => undefined } as unknown as SQSClient;
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const broker = createSqsBroker({
    timeoutMs: 1000,
    leaseMs: 900,
    host: 'testhost',
    emit: bus.emit,
    read: () => Promise.resolve(accountsOf(client)),
    ...settings,
  });
  t.teardown(() => broker.close());
  const calls = (name: string) => asked.filter(([called]) => called === name).map(([, input]) => input);
  return { broker, client, events, calls };
};

t.test('a message whose visibility can not be extended any more is lost', async t => {
  const { broker } = stubbed(t, {
    ChangeMessageVisibility: () => {
      throw fault('MessageNotInflight');
    },
  });
  const delivery = await broker.open('sqs_a').receive(never);
  await eventually(() => {
    assert.ok(delivery?.lost.aborted);
  });
  t.match(delivery?.lost.reason, { code: 'lease-lost', message: /MessageNotInflight/ });
  await t.rejects(delivery?.settle({ type: 'accept' }) ?? Promise.resolve(), { message: /not held any more/ });
});

t.test('a message is lost with its queue', async t => {
  const { broker } = stubbed(t, {
    ChangeMessageVisibility: () => {
      throw fault('QueueDoesNotExist');
    },
  });
  const delivery = await broker.open('sqs_a').receive(never);
  await eventually(() => {
    assert.ok(delivery?.lost.aborted);
  });
  t.match(delivery?.lost.reason, { code: 'queue-deleted' });
});

t.test('an extension that SQS has no time for is tried again before the message lapses', async t => {
  let refusals = 2;
  const { broker, calls } = stubbed(
    t,
    {
      ChangeMessageVisibility: () => {
        if (refusals-- > 0) throw fault('ThrottlingException');
        return {};
      },
    },
    { leaseMs: 4500 },
  );
  const delivery = await broker.open('sqs_a').receive(never);
  await eventually(() => {
    assert.ok(calls('ChangeMessageVisibility').length >= 5);
  });
  t.equal(delivery?.lost.aborted, false);
  await delivery?.settle({ type: 'accept' });
  t.strictSame(calls('DeleteMessage'), [{ QueueUrl: url, ReceiptHandle: 'r' }]);
});

t.test('a throttled receive is tried again with growing delays, told once', async t => {
  let refusals = 3;
  const { broker, events } = stubbed(t, {
    ReceiveMessage: () => {
      if (refusals-- > 0) throw fault('RequestThrottled', 403, 'too many requests');
      return { Messages: [{ MessageId: 'late', ReceiptHandle: 'r', Body: 'late' }] };
    },
  });
  const delivery = await broker.open('sqs_a').wait(never);
  t.equal(delivery?.body.toString(), 'late');
  await delivery?.settle({ type: 'accept' });
  const told = events.filter(({ event }) => event.startsWith('broker-')).map(({ event, fields }) => [event, fields]);
  t.match(told, [
    ['broker-connected', {}],
    ['broker-lost', { kind: 'sqs', broker: 'stub', error: 'too many requests' }],
    ['broker-connected', {}],
  ]);
  t.equal(told.length, 3);
});

t.test('a release keeps the message from everybody for its delay', async t => {
  const { broker, calls } = stubbed(t, {});
  const delivery = await broker.open('sqs_a').receive(never);
  t.equal(delivery?.attemptsBefore, 0, 'receives are no attempts');
  await delivery?.settle({ type: 'release', delayMs: 300_000 });
  t.match(calls('ChangeMessageVisibility').at(-1), { ReceiptHandle: 'r', VisibilityTimeout: 300 });
  t.strictSame(calls('SendMessage'), []);
});

t.test('where no lease queue is allowed, work begins all the same and a release is a copy', async t => {
  const { broker, calls, events } = stubbed(
    t,
    {
      CreateQueue: () => {
        throw fault('AccessDenied', 403, 'not authorized to perform sqs:createqueue');
      },
    },
    { leaseMs: 60_000 },
  );
  const delivery = await broker.open('sqs_a').receive(never);
  await delivery?.begin(1, 'key');
  t.match(
    events.find(({ event }) => event === 'lease-unavailable'),
    { fields: { why: /createqueue/ } },
  );
  await delivery?.settle({ type: 'release', delayMs: 1000 });
  t.match(calls('SendMessage'), [{ QueueUrl: url, MessageBody: 'body', DelaySeconds: 1 }]);
  t.equal(calls('DeleteMessage').length, 1);
});

t.test('a message that can not be marked as begun is given back', async t => {
  const { broker, calls } = stubbed(t, {
    CreateQueue: () => ({ QueueUrl: 'http://stub/1/lease' }),
    SendMessage: () => {
      throw fault('InvalidParameterValue', 400, 'the message is too long');
    },
  });
  const delivery = await broker.open('sqs_a').receive(never);
  await t.rejects(delivery?.begin(1, 'key') ?? Promise.resolve(), { code: 'broker-fault', message: /too long/ });
  await delivery?.settle({ type: 'release', delayMs: 0 });
  t.match(calls('ChangeMessageVisibility').at(-1), { QueueUrl: url, VisibilityTimeout: 0 });
});

t.test('a queue whose work runs is served again when the credentials that were away are back', async t => {
  const bodies = ['runs', 'comes later'];
  let isAway = false;
  const { broker, client } = stubbed(
    t,
    {
      ReceiveMessage: () => {
        const Body = bodies.shift();
        return Body === undefined ? noMessage : { Messages: [{ MessageId: Body, ReceiptHandle: Body, Body }] };
      },
    },
    { discoveryMs: 5, read: () => Promise.resolve(isAway ? { accounts: [], faults: [] } : accountsOf(client)) },
  );
  let looks = 0;
  let names: ReadonlySet<string> = new Set();
  const watching = broker.discover().subscribe(found => {
    looks += 1;
    names = found;
  });
  t.teardown(() => watching.unsubscribe());
  const lookTwice = () => {
    const before = looks;
    return eventually(() => {
      assert.ok(looks >= before + 2);
    });
  };
  const queue = broker.open('sqs_a');
  const runs = await queue.receive(never);
  isAway = true;
  await lookTwice();
  t.ok(names.has('sqs_a'), 'its work runs');
  t.equal(await queue.receive(never), undefined, 'it gives nothing more');
  const waiting = queue.wait(never);
  isAway = false;
  const next = await waiting;
  t.equal(next?.body.toString(), 'comes later');
  await runs?.settle({ type: 'accept' });
  await next?.settle({ type: 'accept' });
});

/** A lease queue: the runner's own receives give what was sent there, its looks for what lapsed give what the test puts into `lapsed`. */
const leasing = () => {
  let place = '';
  const sent: Message[] = [];
  const lapsed: Message[] = [];
  let isOriginalThere = true;
  const answers: Record<string, Answer> = {
    ListQueues: () => ({ QueueUrls: [url, place].filter(Boolean) }),
    CreateQueue: ({ QueueName }) => ({ QueueUrl: (place = `http://stub/1/${String(QueueName)}`) }),
    GetQueueUrl: () => ({ QueueUrl: url }),
    SendMessage: input => {
      const name = `copy ${String(sent.length)}`;
      if (input['QueueUrl'] === place) sent.push({ ...input, MessageId: name, ReceiptHandle: name });
      return {};
    },
    ReceiveMessage: ({ QueueUrl, MessageSystemAttributeNames }) => {
      if (QueueUrl !== place) {
        if (!isOriginalThere) return noMessage;
        isOriginalThere = false;
        return { Messages: [{ MessageId: 'm', ReceiptHandle: 'original', Body: 'body' }] };
      }
      if (!MessageSystemAttributeNames) return { Messages: sent.slice(-1) };
      const Attributes = { ApproximateReceiveCount: '2', SentTimestamp: '0' };
      return { Messages: lapsed.splice(0).map(message => ({ ...message, Attributes })) };
    },
  };
  return { answers, sent, lapsed };
};
const removed = (calls: (name: string) => Readonly<Record<string, unknown>>[]) =>
  calls('DeleteMessage').map(({ ReceiptHandle }) => ReceiptHandle);

t.test(
  'a second copy of a lease, of a send whose answer was lost, does not come home while the first is held',
  async t => {
    const { answers, sent, lapsed } = leasing();
    const { SendMessage = () => ({}) } = answers;
    const send: Answer = input => {
      SendMessage(input);
      if (sent.length === 1) throw new Error('socket hang up');
      return {};
    };
    const { broker, calls } = stubbed(t, { ...answers, SendMessage: send }, { discoveryMs: 5, leaseMs: 3000 });
    const delivery = await broker.open('sqs_a').receive(never);
    await delivery?.begin(1, 'key');
    t.equal(sent.length, 2);
    lapsed.push(...sent.slice(0, 1));
    await eventually(() => {
      assert.deepEqual(removed(calls), ['original', 'copy 0']);
    });
    await delivery?.settle({ type: 'accept' });
    t.strictSame(removed(calls), ['original', 'copy 0', 'copy 1']);
    t.notOk(
      calls('SendMessage').some(({ QueueUrl }) => QueueUrl === url),
      'nothing went home',
    );
  },
);

/** Begin while the deletion of the original is answered like that; what was removed then, and what went home with the release. */
const beginWithout = async (t: Test, answersToDelete: readonly Error[]) => {
  const { answers } = leasing();
  const left = [...answersToDelete];
  const DeleteMessage: Answer = ({ ReceiptHandle }) => {
    const error = ReceiptHandle === 'original' ? left.shift() : undefined;
    if (error) throw error;
    return {};
  };
  const { broker, calls } = stubbed(t, { ...answers, DeleteMessage }, { leaseMs: 60_000 });
  const delivery = await broker.open('sqs_a').receive(never);
  await t.rejects(delivery?.begin(1, 'key') ?? Promise.resolve(), { code: 'broker-fault' });
  const before = removed(calls);
  await delivery?.settle({ type: 'release', delayMs: 0 });
  return { before, after: removed(calls), home: calls('SendMessage').filter(({ QueueUrl }) => QueueUrl === url) };
};
const isGone = () => fault('ReceiptHandleIsInvalid');

t.test('an original that may have been deleted is not missed: its copy goes home, uncounted', async t => {
  const { before, after, home } = await beginWithout(t, [new Error('socket hang up'), isGone()]);
  t.strictSame(before, ['original', 'original']);
  t.strictSame(after, ['original', 'original', 'copy 0']);
  t.match(home, [{ MessageBody: 'body' }]);
  t.notOk(JSON.stringify(home).includes('studioml-attempt'));
});

t.test('an original that is somebody else’s has no copy beside it', async t => {
  const { before, home } = await beginWithout(t, [isGone()]);
  t.strictSame(before, ['original', 'copy 0']);
  t.strictSame(home, []);
});
