/** Dead letters of services that hide from others what one took: SQS and Pub/Sub. */
import t, { type Test } from 'tap';
import type { DeadLetter, DeadLetters } from '../../lib/queues/dead-letters.ts';
import { namedProject } from '../../lib/queues/pubsub/clients.ts';
import { pubsubDeadLetters } from '../../lib/queues/pubsub/dead-letter-projects.ts';
import { sqsDeadLetters } from '../../lib/queues/sqs/dead-letter-accounts.ts';
import type { QueueBroker } from '../../lib/queues/queue.ts';
import type { QueueHarness } from '../contracts/queue.ts';
import { eventually } from '../helpers/eventually.ts';
import { openPubsub } from '../helpers/pubsub.ts';
import { runCommand } from '../helpers/run-command.ts';
import { needService } from '../helpers/services.ts';
import { openSqs, sqsClient } from '../helpers/sqs.ts';

const never = new AbortController().signal;
const history = [1, 2, 3].map(number => ({
  cause: 'exited' as const,
  host: 'h',
  at: `2026-01-01T00:00:0${String(number)}.000Z`,
}));

interface Scene {
  readonly harness: QueueHarness;
  readonly operator: () => DeadLetters;
  /** For `bin/runner dead`. */
  readonly env: Readonly<Record<string, string>>;
}

const sqs = (t: Test): Scene | undefined => {
  const endpoint = needService(t, 'TEST_SQS_URL');
  if (endpoint === undefined) return undefined;
  const harness = openSqs(t, endpoint);
  const accounts = {
    accounts: [{ label: 'test', version: '', createClient: () => sqsClient(endpoint) }],
    faults: [],
  };
  const env = {
    AWS_ENDPOINT_URL_SQS: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  };
  return { harness, operator: () => sqsDeadLetters({ accounts, timeoutMs: 15_000 }), env };
};

const pubsub = (t: Test): Scene | undefined => {
  const host = needService(t, 'TEST_PUBSUB_HOST');
  if (host === undefined) return undefined;
  const harness = openPubsub(t, host);
  const { project } = harness;
  return {
    harness,
    operator: () => pubsubDeadLetters({ projects: [namedProject(project)] }),
    env: { PUBSUB_EMULATOR_HOST: host, METADATA_SERVER_DETECTION: 'none', PUBSUB_PROJECT: project },
  };
};

const takeOne = async (broker: QueueBroker, queue: string) => {
  const work = broker.open(queue);
  try {
    return await eventually(async () => {
      const delivery = await work.receive(never);
      if (!delivery) throw new Error('nothing came yet');
      return delivery;
    });
  } finally {
    await work.close();
  }
};

/** Publish and reject, as a runner does. */
const reject = async ({ harness }: Scene, broker: QueueBroker, queue: string, bodies: readonly string[]) => {
  for (const body of bodies) {
    await harness.publish(queue, body);
    const delivery = await takeOne(broker, queue);
    await delivery.settle({ type: 'reject', reason: 'exited', message: `why ${body}`, history });
  }
};

const all = async (letters: DeadLetters, queue: string) => {
  const found: DeadLetter[] = [];
  await letters.visit(queue, letter => (found.push(letter), 'keep'), never);
  return found;
};
const bodies = (letters: readonly DeadLetter[]) => letters.map(letter => letter.body.toString()).sort();

for (const [kind, open] of Object.entries({ sqs, pubsub })) {
  t.test(`${kind}: looking takes nothing; one goes back as new, one with its count, one is dropped`, async t => {
    const scene = open(t);
    if (!scene) return;
    const broker = scene.harness.broker();
    t.teardown(() => broker.close());
    const queue = await scene.harness.declare();
    await reject(scene, broker, queue, ['a', 'b', 'c', 'd']);
    const operator = scene.operator();
    t.teardown(() => operator.close());
    t.ok((await operator.queues(never)).includes(queue));
    const found = await all(operator, queue);
    t.strictSame(bodies(found), ['a', 'b', 'c', 'd']);
    const [first] = found.filter(one => one.body.toString() === 'a');
    t.match(first, { kind, queue, reason: 'exited', message: 'why a', history });
    t.strictSame((await all(operator, queue)).map(one => one.id).sort(), found.map(one => one.id).sort());
    const verdicts = { a: 'requeue', b: 'requeue-counted', c: 'drop', d: 'keep' } as const;
    await operator.visit(queue, letter => verdicts[letter.body.toString() as keyof typeof verdicts], never);
    t.strictSame(bodies(await all(operator, queue)), ['d']);
    const back = [await takeOne(broker, queue), await takeOne(broker, queue)];
    const [a, b] = back.sort((x, y) => Buffer.compare(x.body, y.body));
    t.match(a, { attemptsBefore: 0, history: [], buriedAtMs: first?.atMs });
    t.equal(a?.body.toString(), 'a');
    t.match(b, { attemptsBefore: 2, history });
    for (const one of back) await one.settle({ type: 'accept' });
  });

  t.test(`${kind}: two operators at once never get one letter both`, async t => {
    const scene = open(t);
    if (!scene) return;
    const broker = scene.harness.broker();
    t.teardown(() => broker.close());
    const queue = await scene.harness.declare();
    const sent = Array.from({ length: 12 }, (_, i) => String(i));
    await reject(scene, broker, queue, sent);
    const operators = [scene.operator(), scene.operator()];
    for (const one of operators) t.teardown(() => one.close());
    const got: string[] = [];
    await Promise.all(
      operators.map(one => one.visit(queue, letter => (got.push(letter.body.toString()), 'drop'), never)),
    );
    t.strictSame(got.sort(), [...sent].sort());
    for (const one of operators) t.strictSame(await all(one, queue), []);
  });

  t.test(`${kind}: a letter whose queue is gone is listed, and stays`, async t => {
    const scene = open(t);
    if (!scene) return;
    const broker = scene.harness.broker();
    const queue = await scene.harness.declare();
    await reject(scene, broker, queue, ['a']);
    await broker.close();
    await scene.harness.delete(queue);
    const operator = scene.operator();
    t.teardown(() => operator.close());
    t.ok((await operator.queues(never)).includes(queue));
    await t.rejects(
      operator.visit(queue, () => 'requeue', never),
      { message: /the queue is gone; the dead letter stays/ },
    );
    t.strictSame(bodies(await all(operator, queue)), ['a']);
  });

  t.test(`${kind}: bin/runner dead lists and requeues them`, async t => {
    const scene = open(t);
    if (!scene) return;
    const broker = scene.harness.broker();
    t.teardown(() => broker.close());
    const queue = await scene.harness.declare();
    await reject(scene, broker, queue, ['a']);
    const run = (...args: string[]) => runCommand(['dead', ...args, '--queue', queue], scene.env);
    const listed = await run('list', '--json');
    t.equal(listed.code, 0, listed.stderr);
    const letter = JSON.parse(listed.stdout) as { id: string };
    t.match(letter, { kind, queue, reason: 'exited', attempts: 3 });
    t.match(await run('requeue', letter.id), { code: 0, stdout: /^requeued / });
    t.match(await run('list'), { code: 0, stdout: /no dead letters/ });
    const delivery = await takeOne(broker, queue);
    t.equal(delivery.body.toString(), 'a');
    await delivery.settle({ type: 'accept' });
  });
}
