import t from 'tap';
import type { AttemptError } from '../../lib/errors.ts';
import { readMessage } from '../../lib/request/envelope.ts';
import { recorded } from '../helpers/recorded.ts';

const refusal = (body: string | Buffer, maxBytes?: number): string => {
  try {
    readMessage(Buffer.from(body), maxBytes);
  } catch (error) {
    const { code, message } = error as AttemptError;
    return `${code}: ${message}`;
  }
  return 'read';
};

t.test('the recorded sealed message is an envelope', async t => {
  const body = recorded('rmq_secure');
  const message = readMessage(body);
  if (message.type !== 'envelope') throw new Error('not an envelope');
  const { payload, ...rest } = message.envelope;
  t.ok(body.includes(`"payload": "${payload}"`), 'the payload is exactly what was sent');
  t.equal(payload.split(',').length, 2);
  t.same(rest, {
    fingerprint: 'SHA256:9oKCs5iiac+I3X9ZonZ7C2Oey4gnbZUvRJo8pi83/aA',
    signature: 'IopRvbAeRfrhW2LE11VwwZ+sp2US6yDTpBrkZgTlO19z6uM+FiouWOfi1wQbuv2oxPhfqKAQxCneqfVt9HCZDg==',
    clear: {
      status: 'waiting',
      pythonVersion: '3.11',
      timeAddedSeconds: 1795459235.3961952,
      lifetimeMs: 1_200_000,
      resources: { cores: 1, memoryBytes: 128e6, diskBytes: 512e6, gpus: 0, gpuMemoryBytes: 0 },
    },
  });
});

t.test('clear members that make no sense are advice that is not heard', async t => {
  const message = {
    payload: 'a,b',
    signature: 5,
    fingerprint: '',
    time_added: 'now',
    experiment_lifetime: 'long',
    experiment: [],
    resources_needed: { cpus: 'many', ram: '1gb' },
  };
  t.same(readMessage(Buffer.from(JSON.stringify({ message }))), {
    type: 'envelope',
    envelope: {
      payload: 'a,b',
      clear: { resources: { cores: 0, memoryBytes: 1e9, diskBytes: 0, gpus: 0, gpuMemoryBytes: 0 } },
    },
  });
});

t.test('a message without a payload is clear text', async t => {
  for (const text of ['{"experiment":{}}', '{"message":{}}', '{"message":{"payload":null}}', '{"message":"payload"}']) {
    t.same(readMessage(Buffer.from(text)), { type: 'clear', value: JSON.parse(text) as unknown }, text);
  }
});

t.test('what is no JSON is refused with the place of the fault, without its words', async t => {
  const malformed = 'malformed: the message is not JSON:';
  const rows: [string | Buffer, string][] = [
    ['', `${malformed} it is empty [bytes=0]`],
    [' \n', `${malformed} it is empty [bytes=2]`],
    ['hunter2', `${malformed} it breaks the grammar of JSON [bytes=7]`],
    ['{"a": 1,}', `${malformed} fault at character 8 [bytes=9]`],
    ['{"a": {"b": 1', `${malformed} it ends early, after 13 characters, 2 levels deep [bytes=13]`],
    ['{"a": "hunter2 \\"', `${malformed} it ends early, after 17 characters, inside a string [bytes=17]`],
    ['{"a": NaN}', `${malformed} it breaks the grammar of JSON [bytes=10]`],
    [Buffer.from([0x22, 0xff, 0x22]), 'malformed: the message is not UTF-8; expected JSON in UTF-8 [bytes=3]'],
  ];
  for (const [body, message] of rows) t.equal(refusal(body), message);
});

t.test('half of each recorded message is refused as cut off', async t => {
  for (const name of ['rmq_clear', 'rmq_secure']) {
    const body = recorded(name);
    t.match(refusal(body.subarray(0, body.length / 2)), /^malformed: the message is not JSON: it ends early/);
  }
});

t.test('JSON that is no object is refused', async t => {
  const expected = 'expected an object with experiment and config';
  t.equal(refusal('[]'), `not-a-request: not a request: the message is a list; ${expected}`);
  t.equal(refusal('null'), `not-a-request: not a request: the message is null; ${expected}`);
  t.equal(refusal('"x"'), `not-a-request: not a request: the message is a string; ${expected}`);
  t.equal(
    refusal('{"message":{"payload":["x"]}}'),
    'not-a-request: not a request: message.payload: a list; expected a string',
  );
});

t.test('a message above the limit is not even parsed', async t => {
  const big = Buffer.alloc(50 * 1024 * 1024, 'x');
  t.equal(refusal(big), 'too-large: the message is larger than any request [bytes=52428800, maxBytes=16777216]');
  t.equal(refusal('{"a": 1}', 8), 'read');
  t.match(refusal('{"a": 12}', 8), /^too-large/);
});

t.test('nesting that no request has is refused before anything is built', async t => {
  const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
  t.match(refusal(`{"a": ${deep(99)}}`), 'read');
  t.equal(
    refusal(`{"a": ${deep(100)}}`),
    'not-a-request: not a request: the message is nested 101 levels deep; expected 100 at most [bytes=207]',
  );
  t.match(refusal(deep(5_000_000)), /^not-a-request/);
  t.equal(refusal(JSON.stringify({ a: '['.repeat(1000), b: '\\"{{{{' })), 'read', 'brackets in strings do not count');
});

t.test('a byte order mark is passed over', async t => {
  t.equal(refusal('\uFEFF{"a": 1}'), 'read');
});
