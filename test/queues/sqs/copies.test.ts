import t from 'tap';
import type { HistoryEntry } from '../../../lib/model/outcome.ts';
import { attributeNames } from '../../../lib/queues/attribute-names.ts';
import { copyOf, pastOf } from '../../../lib/queues/sqs/copies.ts';

const entry = (number: number, message = 'm'): HistoryEntry => ({
  cause: 'exited',
  host: `host${String(number)}`,
  at: '2026-01-01T00:00:00.000Z',
  message,
});

t.test('number and history travel with a copy', t => {
  const history = [entry(1), entry(2)];
  const copy = copyOf({ Body: 'body' }, { attempts: 2, history });
  t.equal(copy.MessageBody, 'body');
  t.strictSame(pastOf({ MessageAttributes: copy.MessageAttributes }), { attempts: 2, history });
  t.end();
});

t.test('nothing is said of a message with no past', t => {
  t.strictSame(copyOf({ Body: 'b' }, { attempts: 0, history: [] }).MessageAttributes, {});
  t.end();
});

t.test('of a history that is too long the newest part travels', t => {
  const history = Array.from({ length: 50 }, (_, number) => entry(number, 'x'.repeat(10_000)));
  const { MessageAttributes } = copyOf({ Body: 'b'.repeat(100_000) }, { attempts: 50, history });
  const kept = pastOf({ MessageAttributes }).history;
  t.ok(kept.length > 5 && kept.length < 20, String(kept.length));
  t.strictSame(kept.at(-1), history.at(-1));
  const size = Buffer.byteLength(MessageAttributes[attributeNames.history]?.StringValue ?? '');
  t.ok(size + 100_000 < 256 * 1024);
  t.end();
});

t.test('what SQS refuses in an attribute is replaced', t => {
  const { MessageAttributes } = copyOf(
    { Body: 'b' },
    { attempts: 1, history: [entry(1, 'a\u0000\u001b\uffff\ud800z')] },
  );
  const [kept] = pastOf({ MessageAttributes }).history;
  t.equal(kept?.cause, 'exited');

  t.notMatch(MessageAttributes[attributeNames.history]?.StringValue, /[\u0000-\u0008\u000b\u000c\u000e-\u001f\uffff]/);
  t.end();
});
