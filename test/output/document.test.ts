import fc from 'fast-check';
import t from 'tap';
import { createDocument } from '../../lib/output/document.ts';

interface Shape {
  studioml: { log: { ts: string; msg: string }[] } & Record<string, unknown>;
  [member: string]: unknown;
}
const read = (document: { serialize(): Buffer }): Shape => JSON.parse(document.serialize().toString()) as Shape;
const AT_MS = Date.UTC(2026, 10, 23, 18, 34, 18) + 710.5;

/** A document in which the runner has said something, and what it says after one line of stdout. */
const after = (line: string) => {
  const document = createDocument();
  document.set('host', 'vm');
  document.set('artifacts', { workspace: 's3://h/b/k' });
  document.set('tags', ['one']);
  document.log('Init', AT_MS);
  let skipped = '';
  document.reportSkippedTo(error => {
    skipped = error;
  });
  document.stdoutLine(line, AT_MS);
  return { document, skipped, shape: read(document) };
};

for (const text of [
  '{}',
  '[]',
  '',
  ' ',
  '1',
  '"a string"',
  '[1,2,3]',
  '[{"a":1}]',
  '{ }',
  '[INFO] on',
  "{'a': 1}",
  '{"a":',
  '{"a":1} x',
  'null',
  '\u0000\u0000\u0000',
  '\u00a0 a',
]) {
  t.test(`${JSON.stringify(text)} is a line of text`, async t => {
    const { document, shape } = after(text);
    t.strictSame(shape.studioml.log.at(-1), { ts: '2026-11-23T18:34:18.710500000+00:00', msg: text });
    t.match(document.counts, { lines: 1, applied: 0, skipped: 0 });
  });
}

for (const line of [
  '{"a":{"b":1}}',
  ' \t{"a":{"b":1}}',
  '{"a":{"b":1}} ',
  '[{"op":"add","path":"/a","value":{"b":1}}]',
]) {
  t.test(`${JSON.stringify(line)} is a directive`, async t => {
    const { document, shape } = after(line);
    t.strictSame(shape['a'], { b: 1 });
    t.equal(shape.studioml.log.length, 1, 'and no line of the log');
    t.equal(document.counts.applied, 1);
  });
}

const refused = [
  '{"studioml":null}',
  '{"studioml":1}',
  '{"studioml":{"host":"me"}}',
  '{"studioml":{"host":null}}',
  '{"studioml":{"artifacts":{"workspace":"elsewhere"}}}',
  '{"studioml":{"tags":["two"]}}',
  '{"studioml":{"log":[]}}',
  '{"studioml":{"log":null}}',
  '{"x":1,"studioml":{"host":"me"}}',
  '[{"op":"add","path":"","value":{}}]',
  '[{"op":"replace","path":"","value":{}}]',
  '[{"op":"remove","path":""}]',
  '[{"op":"test","path":"","value":{}}]',
  '[{"op":"copy","from":"","path":"/x"}]',
  '[{"op":"move","from":"","path":"/x"}]',
  '[{"op":"add","path":"/studioml","value":{}}]',
  '[{"op":"remove","path":"/studioml"}]',
  '[{"op":"move","from":"/studioml","path":"/x"}]',
  '[{"op":"copy","from":"/studioml","path":"/x"}]',
  '[{"op":"add","path":"/studioml/host","value":"me"}]',
  '[{"op":"replace","path":"/studioml/host","value":"me"}]',
  '[{"op":"remove","path":"/studioml/host"}]',
  '[{"op":"move","from":"/studioml/host","path":"/x"}]',
  '[{"op":"add","path":"/studioml/tags/0","value":"zero"}]',
  '[{"op":"remove","path":"/studioml/tags/0"}]',
  '[{"op":"add","path":"/studioml/log","value":[]}]',
  '[{"op":"add","path":"/studioml/log/0","value":{}}]',
  '[{"op":"remove","path":"/studioml/log/0"}]',
  '[{"op":"add","path":"/x","value":1},{"op":"add","path":"/studioml/log/-","value":{}},{"op":"remove","path":"/studioml/host"}]',
];
for (const line of refused) {
  t.test(`${line} changes nothing and is told`, async t => {
    const { document, shape, skipped } = after(line);
    t.strictSame(Object.keys(shape), ['studioml']);
    t.match(shape.studioml, { host: 'vm', artifacts: { workspace: 's3://h/b/k' }, tags: ['one'] });
    t.equal(shape.studioml.log.length, 1);
    t.ok(skipped);
    t.match(document.counts, { applied: 0, skipped: 1 });
  });
}

const allowed: [string, (shape: Shape) => unknown, unknown][] = [
  ['{"studioml":{"note":"mine"}}', shape => shape.studioml['note'], 'mine'],
  [
    '{"studioml":{"artifacts":{"extra":"x"}}}',
    shape => shape.studioml['artifacts'],
    { workspace: 's3://h/b/k', extra: 'x' },
  ],
  ['{"studioml":{"absent":null}}', shape => shape.studioml['absent'], undefined],
  ['[{"op":"add","path":"/studioml/tags/-","value":"two"}]', shape => shape.studioml['tags'], ['one', 'two']],
  ['[{"op":"add","path":"/studioml/tags/1","value":"two"}]', shape => shape.studioml['tags'], ['one', 'two']],
  ['[{"op":"add","path":"/studioml/note","value":1}]', shape => shape.studioml['note'], 1],
  ['[{"op":"copy","from":"/studioml/host","path":"/host"}]', shape => shape['host'], 'vm'],
  ['[{"op":"test","path":"/studioml/host","value":"vm"}]', shape => Object.keys(shape), ['studioml']],
  [
    '[{"op":"add","path":"/studioml/log/-","value":{"ts":"0","msg":"m"}}]',
    shape => shape.studioml.log[1],
    { ts: '0', msg: 'm' },
  ],
];
for (const [line, pick, expected] of allowed) {
  t.test(`${line} is applied`, async t => {
    const { document, shape } = after(line);
    t.strictSame(pick(shape), expected);
    t.equal(document.counts.applied, 1);
  });
}

t.test('lines of both streams are in the log in their order, unless it is not wanted', async t => {
  const messages = (schemaLogs: boolean) => {
    const document = createDocument({ schemaLogs });
    document.log('Init', 1);
    document.stdoutLine('out', 2);
    document.stderrLine('{"a":1}', 2);
    document.log('Stop', 3);
    return read(document).studioml.log.map(entry => entry.msg);
  };
  t.strictSame(messages(true), ['Init', 'out', '{"a":1}', 'Stop']);
  t.strictSame(messages(false), ['Init', 'Stop']);
});

t.test('of an endless log the beginning and the newest lines are kept, and a marker says how many are not', async t => {
  const document = createDocument({ maxLogBytes: 100_000 });
  document.log('Init', 1);
  for (let at = 0; at < 100_000; at++) document.stdoutLine(`line ${at}`, Math.floor(at / 10));
  document.log('Stop', 1e6);
  const { log } = read(document).studioml;
  t.ok(document.serialize().length < 150_000);
  t.equal(log[0]?.msg, 'Init');
  t.equal(log[1]?.msg, `${document.counts.dropped} earlier lines are not kept here`);
  t.equal(log[2]?.msg, `line ${document.counts.dropped}`);
  t.strictSame(
    log.slice(-2).map(entry => entry.msg),
    ['line 99999', 'Stop'],
  );
  t.equal(log.length - 3 + document.counts.dropped, 100_000);
});

t.test('the log does not keep the chunks alive that its lines were cut from', async t => {
  const document = createDocument();
  const before = process.memoryUsage().heapUsed;
  for (let at = 0; at < 3000; at++) {
    const chunk = Buffer.alloc(65_536, 97 + (at % 26)).toString();
    document.stdoutLine(chunk.slice(100, 150), at);
  }
  t.ok(process.memoryUsage().heapUsed - before < 80e6);
});

t.test('a document cannot be made larger than its bound, but smaller and then larger again', async t => {
  const document = createDocument({ maxTreeBytes: 100_000 });
  const errors: string[] = [];
  document.reportSkippedTo(error => errors.push(error));
  for (let at = 0; at < 2000; at++) document.stdoutLine(`{"m${at}":"${'x'.repeat(100)}"}`, at);
  t.ok(document.counts.skipped > 1000);
  t.match(errors[0], /larger than 100000 bytes/);
  t.ok(document.serialize().length < 120_000);
  const { applied } = document.counts;
  document.stdoutLine('{"m0":null,"n0":1}', 0);
  t.equal(document.counts.applied, applied + 1);
});

t.test('copies cannot double a document again and again', async t => {
  const document = createDocument();
  document.stdoutLine('{"a":["0123456789"]}', 0);
  for (let at = 0; at < 60; at++) document.stdoutLine('[{"op":"copy","from":"/a","path":"/a/-"}]', 0);
  t.ok(document.counts.skipped > 30);
  t.ok(document.serialize().length < 4e6);
});

t.test('many patches of which half are invalid take seconds and no memory', async t => {
  const document = createDocument();
  const before = process.memoryUsage().heapUsed;
  const startedAt = performance.now();
  for (let at = 0; at < 200_000; at++) {
    const path = at % 2 === 0 ? '/a' : '/nowhere/a';
    document.stdoutLine(`[{"op":"add","path":"${path}","value":${at}}]`, at);
  }
  t.match(document.counts, { applied: 100_000, skipped: 100_000 });
  t.equal(read(document)['a'], 199_998);
  t.ok(performance.now() - startedAt < 10_000);
  t.ok(process.memoryUsage().heapUsed - before < 100e6);
});

t.test('whatever is printed, the document stays whole', async t => {
  const json = fc.jsonValue({ maxDepth: 5 }).map(value => JSON.stringify(value));
  const line = fc.oneof(
    json,
    json.map(text => `[{"op":"add","path":"/${text}","value":${text}}]`),
    fc.string(),
    json.map(text => text.slice(1)),
  );
  fc.assert(
    fc.property(fc.array(line), printed => {
      const document = createDocument();
      document.set('status', 'running');
      for (const one of printed) document.stdoutLine(one.replaceAll('\n', ' '), AT_MS);
      const { applied, skipped, lines } = document.counts;
      const shape = read(document);
      t.equal(shape.studioml['status'], 'running');
      t.equal(shape.studioml.log.length + applied + skipped, lines);
    }),
  );
});

t.test('a value that the runner sets is not shared with it', async t => {
  const document = createDocument();
  const tags = ['a'];
  document.set('tags', tags);
  document.stdoutLine('[{"op":"add","path":"/studioml/tags/-","value":"b"}]', 0);
  document.set('status', 'running');
  document.set('status', 'completed');
  t.strictSame(tags, ['a']);
  t.match(read(document).studioml, { tags: ['a', 'b'], status: 'completed' });
});
