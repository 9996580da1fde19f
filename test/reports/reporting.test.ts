import assert from 'node:assert/strict';
import { constants, generateKeyPairSync, privateDecrypt } from 'node:crypto';
import { renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createReporting, type Reporting } from '../../lib/reports/reporting.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { eventually } from '../helpers/eventually.ts';

const newPair = () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { privateKey, pem: publicKey.export({ type: 'pkcs1', format: 'pem' }) as string };
};
const pairs = { first: newPair(), second: newPair() };

/** Which of the keys opens it. */
const openedBy = (sealed: string): string | undefined =>
  Object.entries(pairs).find(([, { privateKey }]) => {
    try {
      const how = { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
      return privateDecrypt(how, Buffer.from(sealed.split(',')[0] ?? '', 'base64')).length > 0;
    } catch {
      return false;
    }
  })?.[0];

type Attempt = Parameters<Reporting['open']>[0];

/** An attempt that is reported with the key in a file, where there is one. */
const openAttempt = async (t: Test) => {
  const directory = t.testdir({});
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const reporting = await createReporting({
    keysDirectory: directory,
    emit: bus.emit,
    redact: text => text,
    deadlineMs: 20_000,
    now: Date.now,
  });
  t.teardown(reporting.close);
  const file = join(directory, 'rmq_');
  const told = (change: string) =>
    eventually(
      () => {
        assert.equal(events.findLast(one => one.event === 'key-changed')?.fields['change'], change);
      },
      { timeoutMs: 10_000 },
    );
  const use = async (pair: 'first' | 'second', change: string) => {
    writeFileSync(`${directory}/.next`, pairs[pair].pem);
    renameSync(`${directory}/.next`, file);
    await told(change);
  };
  const remove = async () => {
    unlinkSync(file);
    await told('removed');
  };
  const by: (string | undefined)[] = [];
  const open = () =>
    reporting.open(
      {
        request: { key: 'e' },
        identity: { accession: 'a', host: 'h', startedAtMs: 1 },
        delivery: { queue: { kind: 'rabbitmq', name: 'rmq_q' } },
        record: {},
      } as unknown as Attempt,
      {
        publish: async body => {
          by.push(openedBy(body));
          return true;
        },
      },
    );
  const off = () => events.filter(one => one.event === 'reports-off').length;
  return { open, use, remove, by, off };
};

const sent = (by: readonly unknown[], count: number) =>
  eventually(() => {
    assert.equal(by.length, count);
  });

t.test('each report is sealed with the key that is there then', async t => {
  const { open, use, remove, by, off } = await openAttempt(t);
  await use('first', 'added');
  const reports = open();
  await sent(by, 1);
  await use('second', 'changed');
  reports?.begun();
  await sent(by, 2);
  t.equal(off(), 0);
  await remove();
  reports?.started(1);
  reports?.stdoutLine('unheard', 1);
  await reports?.finish({ cause: 'completed', message: 'exited with code 0' });
  t.strictSame(by, ['first', 'second'], 'nothing is published without a key');
  t.equal(off(), 1, 'which is told once');
});

t.test('a key that comes after its attempt began is used for the rest of it', async t => {
  const { open, use, by, off } = await openAttempt(t);
  const reports = open();
  await eventually(() => {
    assert.equal(off(), 1);
  });
  await use('second', 'added');
  reports?.begun();
  await reports?.finish({ cause: 'completed', message: 'exited with code 0' });
  t.strictSame(by, ['second', 'second', 'second']);
  t.equal(off(), 1);
});
