import fc from 'fast-check';
import t from 'tap';
import { AttemptError } from '../../lib/errors.ts';
import { readMessage } from '../../lib/request/envelope.ts';
import { isJsonObject } from '../../lib/request/json-body.ts';
import { parseRequest } from '../../lib/request/parse-request.ts';
import { withoutCredentials } from '../../lib/request/without-credentials.ts';
import { clearMessages, recorded } from '../helpers/recorded.ts';

const codes = new Set(['malformed', 'not-a-request', 'too-large']);
const maxMs = 5000;

type Outcome = 'request' | 'envelope' | 'refused';

const tryOut = (body: Buffer): Outcome => {
  try {
    const message = readMessage(body);
    if (message.type === 'envelope') return 'envelope';
    const request = parseRequest(message.value);
    JSON.stringify(withoutCredentials(request.raw));
    if (request.key === '' || !Number.isSafeInteger(request.resources.memoryBytes))
      throw new Error('not a whole request');
    return 'request';
  } catch (error) {
    if (!(error instanceof AttemptError) || !codes.has(error.code)) throw error;
    if (error.message.length > 10_000) throw new Error('a message that nobody reads', { cause: error });
    return 'refused';
  }
};

/** What becomes of a body: always one of these, in bounded time. Anything else throws and fails the property. */
const outcomeOf = (body: Buffer): Outcome => {
  const start = performance.now();
  const outcome = tryOut(body);
  if (performance.now() - start > maxMs) throw new Error(`took more than ${maxMs} ms`);
  return outcome;
};

const bodies = [...clearMessages, 'rmq_secure'].map(recorded);
const anyBody = fc.constantFrom(...bodies);

type Path = readonly (string | number)[];
const pathsOf = (value: unknown, path: Path = []): Path[] => {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([name, member]) => pathsOf(member, [...path, name]))];
};

/** A copy in which the value at `path` is `put`, or is gone where `put` is undefined. */
const withAt = (value: unknown, [name, ...rest]: Path, put: unknown): unknown => {
  if (name === undefined) return put;
  const members = Object.entries(value as object).map(([own, member]): [string, unknown] => [
    own,
    own === String(name) ? withAt(member, rest, put) : member,
  ]);
  const kept = members.filter(([, member]) => member !== undefined);
  return Array.isArray(value) ? kept.map(([, member]) => member) : Object.fromEntries(kept);
};

const oddValue = fc.oneof(
  fc.jsonValue(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    null,
    '',
    '0',
    -1,
    1.5,
    1e308,
    true,
    {},
    [],
    '../..',
    '\0',
    '\uD800',
    'x'.repeat(100_000),
    '9'.repeat(50),
  ),
);
const mutatedValue = anyBody.chain(body => {
  const value = JSON.parse(body.toString()) as unknown;
  return fc
    .tuple(fc.constantFrom(...pathsOf(value)), fc.option(oddValue, { nil: undefined, freq: 4 }))
    .map(([path, put]) => ({ path, body: Buffer.from(JSON.stringify(withAt(value, path, put) ?? null)) }));
});

t.test('a recorded message with a member replaced or gone always has a typed outcome', async () => {
  fc.assert(
    fc.property(mutatedValue, ({ body }) => typeof outcomeOf(body) === 'string'),
    { numRuns: 1500 },
  );
});

t.test('each single member of each recorded message can be gone or of any type', async t => {
  let outcomes = 0;
  for (const body of bodies) {
    const value = JSON.parse(body.toString()) as unknown;
    for (const path of pathsOf(value)) {
      for (const put of [undefined, null, '', 5, -1, 'x', true, [], {}, [null], [{}], { x: null }]) {
        outcomeOf(Buffer.from(JSON.stringify(withAt(value, path, put) ?? null)));
        outcomes += 1;
      }
    }
  }
  t.ok(outcomes > 2000, `${outcomes} mutations`);
});

t.test('a recorded message with bytes flipped always has a typed outcome', async () => {
  const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(anyBody, flips, (body, list) => {
      const copy = Buffer.from(body);
      for (const [at, byte] of list) copy[at % copy.length] = byte;
      return typeof outcomeOf(copy) === 'string';
    }),
    { numRuns: 2000 },
  );
});

t.test('a recorded message that is cut off is refused wherever the cut is', async t => {
  for (const body of bodies) {
    const length = body.toString().trimEnd().length;
    for (let end = 0; end < length; end += 7) t.equal(outcomeOf(body.subarray(0, end)), 'refused');
  }
});

t.test('any bytes and any JSON have a typed outcome', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), bytes => typeof outcomeOf(Buffer.from(bytes)) === 'string'),
  );
  fc.assert(fc.property(fc.json(), text => typeof outcomeOf(Buffer.from(text)) === 'string'));
});

const names = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
const texts = fc.string({ unit: 'binary', maxLength: 30 }).map(text => text.replaceAll('\0', ''));
const labels = fc.stringMatching(/^[A-Za-z_][\w.-]{0,20}$/).filter(label => label !== '_runner');
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { freq: 3 });
const artifact = fc.record(
  {
    bucket: maybe(texts),
    key: maybe(texts),
    qualified: maybe(texts),
    mutable: maybe(fc.boolean()),
    unpack: maybe(fc.boolean()),
    saveFrequency: maybe(fc.nat()),
    credentials: maybe(
      fc.oneof(
        fc.record({ aws: fc.record({ access_key: names, secret_access_key: names }) }),
        fc.record({ plain: fc.record({ user: names, password: names }) }),
        fc.record({ jwt: fc.record({ token: names }) }),
      ),
    ),
  },
  { requiredKeys: [] },
);
const request = fc.record({
  experiment: fc.record(
    {
      key: names,
      filename: maybe(texts.filter(name => name !== '-m')),
      args: maybe(fc.array(texts)),
      pythonver: maybe(fc.constantFrom('3', 3, '3.11', 3.9)),
      pythonenv: maybe(fc.array(texts)),
      max_duration: maybe(fc.integer({ min: 1, max: 1000 }).map(minutes => `${minutes}m`)),
      time_added: maybe(fc.double({ min: 0, max: 4e9, noNaN: true })),
      resources_needed: maybe(
        fc.record({ cpus: fc.nat(), ram: fc.nat().map(n => `${n}mb`), gpuCount: maybe(fc.nat()) }),
      ),
      project: maybe(texts),
      artifacts: maybe(fc.dictionary(labels, maybe(artifact))),
      more: fc.jsonValue({ maxDepth: 5 }),
    },
    { requiredKeys: ['key'] },
  ),
  config: maybe(
    fc.record({ env: maybe(fc.dictionary(labels, maybe(texts))), pip: maybe(fc.array(texts)), more: fc.jsonValue() }),
  ),
});

t.test('any request that keeps to the rules is read, with all that it says', async t => {
  fc.assert(
    fc.property(request, generated => {
      const message = readMessage(Buffer.from(JSON.stringify(generated)));
      if (message.type !== 'clear') return false;
      const read = parseRequest(message.value);
      const { experiment } = generated;
      const given = Object.entries(experiment.artifacts ?? {}).filter(([, value]) => value !== null);
      return (
        read.key === experiment.key.toWellFormed() &&
        read.args.length === (experiment.args ?? []).length &&
        read.artifacts.size === given.length &&
        given.every(([label, value]) => read.artifacts.get(label)?.mutable === (value?.mutable ?? false)) &&
        read.resources.cores === (experiment.resources_needed?.cpus ?? 0)
      );
    }),
    { numRuns: 500 },
  );
  t.pass();
});

t.test('what is stored of any request holds none of its credentials', async t => {
  const secret = 'hunter2hunter2';
  fc.assert(
    fc.property(mutatedValue, ({ body }) => {
      const value = JSON.parse(
        body.toString().replaceAll('minio123456', secret).replaceAll('guest:guest', `g:${secret}`) || '0',
      ) as unknown;
      return !isJsonObject(value) || !JSON.stringify(withoutCredentials(value)).includes(secret);
    }),
    { numRuns: 500 },
  );
  t.pass();
});

t.test('a message full of one thing takes no long time', async t => {
  const hostile = [
    { experiment: { key: 'k', args: Array.from({ length: 100_000 }, () => "'a b'") } },
    { experiment: { key: 'k', args: Array.from({ length: 100_000 }, () => 5) } },
    { experiment: { key: 'k', args: Array.from({ length: 5_000_000 }, () => 5) } },
    {
      experiment: { key: 'k' },
      config: { env: Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [at, []])) },
    },
    { experiment: { key: 'k', args: [`'${`'"'"'`.repeat(500_000)}'`] } },
    { experiment: { key: 'k', resources_needed: { ram: '1'.repeat(5_000_000) }, max_duration: '1'.repeat(5_000_000) } },
    { experiment: { key: '://@'.repeat(1_000_000) } },
  ];
  for (const message of hostile) {
    const start = performance.now();
    try {
      withoutCredentials(parseRequest(message).raw);
    } catch (error) {
      t.ok(error instanceof AttemptError);
    }
    t.ok(performance.now() - start < 10_000, `${(performance.now() - start).toFixed(0)} ms`);
  }
});
