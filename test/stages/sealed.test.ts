import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { firstValueFrom, of } from 'rxjs';
import t, { type Test } from 'tap';
import { readClusterKey } from '../../lib/crypto/cluster-key.ts';
import { createGrowingDelays } from '../../lib/flow/growing-delay.ts';
import type { Settled } from '../../lib/model/attempt.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { createRedactor } from '../../lib/telemetry/redact.ts';
import { readPipeline } from '../../pipelines/attempt.ts';
import { eventually } from '../helpers/eventually.ts';
import { fixture, recorded } from '../helpers/recorded.ts';
import { createRig } from '../helpers/rig.ts';
import { createSender, envelopeOf } from '../helpers/sealed.ts';

const clusterKey = readClusterKey(fixture('keys/ssh-privatekey'), fixture('keys/ssh-passphrase'));
const sender = createSender();
const request = { experiment: { key: 'e', filename: 'main.py' } };
const senderFile = { type: 'key', name: 'rmq_', path: 'rmq_', key: sender.key } as const;

type Over = Partial<Parameters<typeof readPipeline>[0]>;

/** What becomes of a message, whether it counts as opened, and the events. */
const read = async (body: string | Buffer, over: Over = {}) => {
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const told: unknown[] = [];
  const settled = await firstValueFrom(
    of({
      delivery: {
        queue: { kind: 'rabbitmq' as const, name: 'rmq_q' },
        id: '1',
        body: Buffer.from(body),
        attemptsBefore: 0,
        history: [],
        receivedAtMs: Date.now(),
        lost: new AbortController().signal,
        begin: () => Promise.resolve(),
        settle: (one: unknown) => {
          told.push(one);
          return Promise.resolve();
        },
      },
      credit: { release: () => undefined },
    }).pipe(
      readPipeline({
        emit: bus.emit,
        host: 'h',
        stop: new AbortController().signal,
        now: Date.now,
        redactor: createRedactor(),
        openEnv: {},
        clearTextMessages: false,
        maxMessageBytes: 1 << 20,
        senderKey: () => senderFile,
        clusterKeys: { keys: [clusterKey], look: () => Promise.resolve() },
        maxAttempts: 3,
        unplacedAfterMs: 86_400_000,
        delays: createGrowingDelays(1000, 300_000, 10),
        ...over,
      }),
    ),
  );
  t.equal(told.length, 1);
  return { settled, events, opened: events.some(event => event.event === 'opened') };
};
const outcome = ({ settled }: { readonly settled: Settled }) => [settled.settlement, settled.end.cause];

t.test('a sealed and signed request is read', async t => {
  const { settled, opened } = await read(await sender.message(request));
  t.match(settled, { settlement: 'accept', experiment: 'e', end: { cause: 'completed' } });
  t.ok(opened);
});

t.test('what is not from a known sender is a dead letter, and no RSA step is spent on it', async t => {
  const message = await sender.message(request);
  const { payload, signature, fingerprint } = (JSON.parse(message) as { message: Record<string, string> }).message;
  const bytes = Buffer.from(signature ?? '', 'base64');
  const stranger = createSender();
  // Nothing could be opened with this, and nothing is tried.
  const over: Over = {
    clusterKeys: {
      get keys(): never {
        throw new Error('opened');
      },
      look: () => Promise.resolve(),
    },
  };
  for (const [name, body] of [
    ['no signature', envelopeOf(payload ?? '', undefined, fingerprint)],
    ['no fingerprint', envelopeOf(payload ?? '', bytes, undefined)],
    ['another payload', envelopeOf(`${payload ?? ''}AAAA`, bytes, fingerprint)],
    ['another signature', envelopeOf(payload ?? '', randomBytes(64), fingerprint)],
    ['a stranger', await stranger.message(request)],
  ] as const) {
    const result = await read(body, over);
    t.strictSame(outcome(result), ['reject', 'bad-signature'], name);
    t.notOk(result.opened);
  }
  const keyless = await read(message, { ...over, clearTextMessages: true, senderKey: () => undefined });
  t.strictSame(outcome(keyless), ['reject', 'bad-signature'], 'a queue without a key');
});

t.test('a key that has just gone fails no message', async t => {
  const message = await sender.message(request);
  t.strictSame(outcome(await read(message, { senderKey: () => undefined })), ['release', 'no-key']);
  const broken = { type: 'fault', name: 'rmq_', path: 'rmq_', fault: 'rmq_: it is empty' } as const;
  for (const clearTextMessages of [false, true]) {
    const result = await read(message, { clearTextMessages, senderKey: () => broken });
    t.match(result.settled, { settlement: 'release', end: { cause: 'no-key', message: 'rmq_: it is empty' } });
  }
});

t.test('while nobody knows whether a queue has a key everything on it is given back', async t => {
  const fault = 'signing: it can not be read (EMFILE)';
  for (const body of [await sender.message(request), recorded('rmq_clear')]) {
    for (const clearTextMessages of [false, true]) {
      const over: Over = { clearTextMessages, senderKey: () => ({ type: 'unlisted', fault }) };
      t.match((await read(body, over)).settled, { settlement: 'release', end: { cause: 'no-key', message: fault } });
    }
  }
});

t.test('clear text is refused on a queue with a key, whatever CLEAR_TEXT_MESSAGES says', async t => {
  const clear = recorded('rmq_clear');
  for (const clearTextMessages of [false, true]) {
    t.strictSame(outcome(await read(clear, { clearTextMessages })), ['reject', 'clear-text-refused']);
  }
  const keyless = { senderKey: () => undefined };
  t.strictSame(outcome(await read(clear, { ...keyless, clearTextMessages: true })), ['accept', 'completed']);
  t.strictSame(outcome(await read(clear, keyless)), ['reject', 'clear-text-refused']);
});

t.test('what opens and is still wrong is a dead letter', async t => {
  const sealed = await sender.message(request);
  for (const [inside, cause] of [
    ['not json', 'malformed'],
    ['[]', 'not-a-request'],
    ['{"experiment": {}}', 'not-a-request'],
    [sealed, 'unopenable'],
  ] as const) {
    t.strictSame(
      outcome(await read(await sender.message(Buffer.from(inside)))),
      ['reject', cause],
      inside.slice(0, 40),
    );
  }
  const payload = 'bm8=,cGF5bG9hZA==';
  const odd = envelopeOf(payload, sender.sign(payload), sender.key.fingerprint);
  t.strictSame(outcome(await read(odd)), ['reject', 'unopenable']);
});

t.test('what is sealed for another key waits for who has it, until it has waited too long', async t => {
  const keys = { keys: [], look: () => Promise.resolve() };
  t.strictSame(outcome(await read(await sender.message(request), { clusterKeys: keys })), ['release', 'no-key']);
  const old = await sender.message(request, { time_added: Date.now() / 1000 - 90_000 });
  t.strictSame(outcome(await read(old, { clusterKeys: keys })), ['reject', 'no-key']);
});

t.test('a key that was swapped a moment ago is looked for', async t => {
  const clusterKeys = {
    keys: [] as (typeof clusterKey)[],
    look: () => {
      clusterKeys.keys = [clusterKey];
      return Promise.resolve();
    },
  };
  t.strictSame(outcome(await read(await sender.message(request), { clusterKeys })), ['accept', 'completed']);
});

t.test('a fingerprint of another key is an event', async t => {
  const message = await sender.message(request);
  const { payload = '', signature = '' } = (JSON.parse(message) as { message: Record<string, string> }).message;
  const result = await read(envelopeOf(payload, Buffer.from(signature, 'base64'), 'SHA256:other'));
  t.strictSame(outcome(result), ['accept', 'completed']);
  t.match(
    result.events.find(event => event.event === 'fingerprint-mismatch'),
    { fields: { found: 'SHA256:other', expected: sender.key.fingerprint } },
  );
});

const sealedRig = (t: Test) =>
  createRig(t, {
    over: { senderKey: () => senderFile, clusterKeys: { keys: [clusterKey], look: () => Promise.resolve() } },
  });
const huge = { cpus: 64, ram: '4tb', hdd: '1mb', gpus: 0 };
const settledOf = (rig: ReturnType<typeof createRig>, count: number) =>
  eventually(() => {
    assert.equal(rig.settled.length, count);
  });

t.test('what says in clear that it never fits is given back unopened', async t => {
  const rig = sealedRig(t);
  const body = await sender.message(rig.request('lies'), { resources_needed: huge });
  rig.broker.publish('rmq_a', Buffer.from(body));
  await settledOf(rig, 1);
  t.match(rig.settled[0], { settlement: 'release', end: { cause: 'no-room-ever', message: /says in clear/ } });
  t.notOk(rig.events.some(event => event.event === 'opened'));
  t.match(
    rig.demand.expected('rabbitmq:rmq_a'),
    { cores: 1, memoryBytes: 0 },
    "nothing is remembered as its queue's demand",
  );
  t.equal(rig.executor.started.length, 0);
});

t.test('one that has been unplaced for too long is opened, and judged by what is inside', async t => {
  const rig = sealedRig(t);
  const clear = { resources_needed: huge, time_added: Date.now() / 1000 - 90_000 };
  rig.broker.publish('rmq_a', Buffer.from(await sender.message(rig.request('lies'), clear)));
  await settledOf(rig, 1);
  t.match(rig.settled[0], { settlement: 'accept', experiment: 'lies', end: { cause: 'completed' } });
});

t.test('one that claims in clear to come from the future is opened when it was unplaced for too long', async t => {
  const rig = sealedRig(t);
  const clear = { resources_needed: huge, time_added: Date.now() / 1000 + 1e6 };
  const body = Buffer.from(await sender.message(rig.request('lies'), clear));
  rig.broker.publish('rmq_a', body, { unplacedSinceMs: Date.now() - 90_000_000 });
  await settledOf(rig, 1);
  t.match(rig.settled[0], { settlement: 'accept', experiment: 'lies', end: { cause: 'completed' } });
});

t.test('a request that says in clear that it is small and is not gets no more than it says inside', async t => {
  const rig = sealedRig(t);
  const more = { resources_needed: huge };
  rig.broker.publish('rmq_a', Buffer.from(await sender.message(rig.request('larger', more), { resources_needed: {} })));
  await settledOf(rig, 1);
  t.match(rig.settled[0], { settlement: 'release', experiment: 'larger', end: { cause: 'no-room-ever' } });
  t.equal(rig.executor.started.length, 0);
  t.same(rig.ledger.free, rig.ledger.total);
});

t.test('what the clear members say of time changes nothing', async t => {
  const rig = sealedRig(t);
  const clear = { time_added: 1, experiment_lifetime: '1s', experiment: 'odd', resources_needed: [] };
  rig.broker.publish('rmq_a', Buffer.from(await sender.message(rig.request('fresh'), clear)));
  await settledOf(rig, 1);
  t.match(rig.settled[0], { settlement: 'accept', end: { cause: 'completed' } });
});
