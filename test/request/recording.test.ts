import { createReadStream, readdirSync } from 'node:fs';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import t from 'tap';
import { readMessage } from '../../lib/request/envelope.ts';
import { formatRecorded, readRecording, type RecordedMessage } from '../../lib/request/recording.ts';
import { recorded } from '../helpers/recorded.ts';

const all = async (messages: AsyncIterable<RecordedMessage>): Promise<readonly RecordedMessage[]> => {
  const list: RecordedMessage[] = [];
  for await (const message of messages) list.push(message);
  return list;
};
const read = (text: string) => all(readRecording(Readable.from([Buffer.from(text)]), 'r.ndjson'));
const recordings = new URL('../../fixtures/recordings/', import.meta.url);

t.test('the recordings hold the recorded messages, each at the time it was added', async t => {
  const messages: RecordedMessage[] = [];
  for (const name of readdirSync(recordings)) {
    messages.push(...(await all(readRecording(createReadStream(new URL(name, recordings)), name))));
  }
  const names = ['local_demo', 'rmq_clear', 'rmq_gpu', 'rmq_secure', 'sqs_clear'];
  const bodies = new Set(messages.map(({ body }) => body.toString()));
  t.same(bodies, new Set(names.map(name => recorded(name).toString())));
  for (const { atMs, queue, body } of messages) {
    const message = readMessage(body);
    const added =
      message.type === 'envelope'
        ? message.envelope.clear.timeAddedSeconds
        : (message.value['experiment'] as { time_added: number }).time_added;
    t.ok(Math.abs(atMs - (added ?? 0) * 1000) <= 1);
    t.match(queue, /^(rmq|sqs|local)_demo$/);
  }
});

t.test('what is written is read back, whatever the bytes', async () => {
  const messages = fc.array(
    fc.record(
      {
        atMs: fc.nat(4e12),
        queue: fc.string({ minLength: 1 }),
        body: fc.oneof(fc.uint8Array(), fc.string({ unit: 'binary' })).map(bytes => Buffer.from(bytes as string)),
        headers: fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true }),
        contentType: fc.string(),
        afterMs: fc.nat(),
      },
      { requiredKeys: ['atMs', 'queue', 'body'], noNullPrototype: true },
    ),
  );
  await fc.assert(
    fc.asyncProperty(messages, async list => {
      t.strictSame(await read(list.map(formatRecorded).join('')), list);
    }),
  );
});

t.test('a time may be RFC 3339 or seconds since the epoch', async t => {
  const at = async (time: string) => (await read(`{"at":${time},"queue":"q","body":""}`))[0]?.atMs;
  t.equal(await at('"2026-11-23T18:40:30.708Z"'), 1795459230708);
  t.equal(await at('"2026-11-23T19:40:30.708123+01:00"'), 1795459230708);
  t.equal(await at('1795459230.5'), 1795459230500);
});

t.test('a line that is no delivery is told by its number, without its words', async t => {
  const good = '{"at":1,"queue":"q","body":"b"}';
  const time = 'an RFC 3339 time such as 2026-01-31T12:00:00Z, or seconds since the epoch';
  const rows: [string, string][] = [
    ['hunter2', 'not JSON; expected one JSON object a line'],
    ['null', 'expected a JSON object with at, queue and body'],
    ['[]', 'expected a JSON object with at, queue and body'],
    ['{"queue":"q","body":"b"}', `"at" is missing; expected ${time}`],
    ['{"at":"yesterday","queue":"q","body":"b"}', `"at" is wrong; expected ${time}`],
    ['{"at":1,"body":"b"}', '"queue" is missing; expected a queue\'s name'],
    ['{"at":1,"queue":"q"}', 'expected one of "body" and "bodyBase64"'],
    ['{"at":1,"queue":"q","body":"b","bodyBase64":"YQ=="}', 'expected one of "body" and "bodyBase64"'],
    ['{"at":1,"queue":"q","body":{}}', '"body" is wrong; expected a string'],
    ['{"at":1,"queue":"q","bodyBase64":"a?"}', '"bodyBase64" is wrong; expected base64'],
    ['{"at":1,"queue":"q","body":"b","headers":[]}', '"headers" is wrong; expected an object'],
    ['{"at":1,"queue":"q","body":"b","afterMs":-1}', '"afterMs" is wrong; expected a number of ms'],
  ];
  for (const [line, fault] of rows) {
    await t.rejects(read(`${good}\n\n${line}\n${good}\n`), {
      name: 'RecordingError',
      message: `r.ndjson, line 3: ${fault}`,
    });
  }
});

t.test('however a recording is cut into chunks, it is the same, and blank lines are passed over', async t => {
  const text = '  \n{"at":1,"queue":"é  ","body":"       b"}\r\n\n{"at":2,"queue":"q","body":"€"}';
  const expected = await read(text);
  t.match(expected, [
    { queue: 'é  ', body: Buffer.from('       b') },
    { atMs: 2000, body: Buffer.from('€') },
  ]);
  for (let size = 1; size < 12; size++) {
    const bytes = Buffer.from(text);
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
    t.strictSame(await all(readRecording(Readable.from(chunks), 'r')), expected);
  }
});

t.test('the deliveries before a fault are read', async t => {
  const seen: string[] = [];
  const source = Readable.from([Buffer.from('{"at":1,"queue":"a","body":""}\n{"at":1,"queue":"b","body":""}\nx\n')]);
  await t.rejects(async () => {
    for await (const { queue } of readRecording(source, 'r')) seen.push(queue);
  }, /line 3/);
  t.same(seen, ['a', 'b']);
});

t.test('a recording that is not there is an error, and one that is left early lets its source go', async t => {
  await t.rejects(all(readRecording(createReadStream('/nonexistent.ndjson'), 'r')), { code: 'ENOENT' });
  const source = Readable.from(Array.from({ length: 1000 }, () => Buffer.from('{"at":1,"queue":"q","body":""}\n')));
  for await (const _ of readRecording(source, 'r')) break;
  t.equal(source.destroyed, true);
});

t.test('reading ends with the reason of the signal', async t => {
  const stop = new AbortController();
  const source = new Readable({ read: () => undefined });
  const reading = all(readRecording(source, 'r', stop.signal));
  const reason = new Error('enough');
  stop.abort(reason);
  await t.rejects(reading, reason);
  t.equal(source.destroyed, true);
});

t.test('a line without end is refused before it fills the memory', async t => {
  const source = Readable.from(Array.from({ length: 40 }, () => Buffer.alloc(1024 * 1024, 'x')));
  await t.rejects(all(readRecording(source, 'r')), {
    message: 'r, line 1: longer than 33554432 bytes',
  });
});
