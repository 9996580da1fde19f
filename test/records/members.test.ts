import fc from 'fast-check';
import t from 'tap';
import { isWholeObject, stringMember, withMembers } from '../../lib/records/members.ts';

t.test('members are set, and everything else stays letter by letter', t => {
  const text =
    '{ "a": NaN,\n "status": "waiting", "big": 12345678901234567890, "deep": {"status": "x", "b": [1, "}"]} }\n';
  t.equal(
    withMembers(text, { status: 'running', time_started: 1.5 }),
    '{ "a": NaN,\n "status": "running", "big": 12345678901234567890, "deep": {"status": "x", "b": [1, "}"]} , "time_started": 1.5}\n',
  );
  t.equal(withMembers('{}', { a: 1 }), '{"a": 1}');
  t.equal(withMembers('{"a": null}', { a: 'x' }), '{"a": "x"}');
  t.end();
});

t.test('a member is found whatever stands around it', t => {
  t.equal(stringMember('{"x": "\\"status\\": \\"no\\"", "status" : "stopped"}', 'status'), 'stopped');
  t.equal(stringMember('{"inner": {"status": "stopped"}, "status": null}', 'status'), undefined);
  t.equal(stringMember('{"status": "waiting", "status": "stopped"}', 'status'), 'stopped', 'the last one counts');
  t.end();
});

for (const text of [
  '',
  '{',
  '{"a": 1',
  '{"a": [1, 2}',
  '{"a" 1}',
  '[1]',
  '"x"',
  '{"a": 1} x',
  '{"a": 1,}',
  '{"a": "x}',
])
  t.test(`no whole object: ${JSON.stringify(text)}`, t => {
    t.notOk(isWholeObject(text));
    t.equal(withMembers(text, { a: 2 }), text);
    t.end();
  });

t.test('the result holds what an assignment would give', t => {
  const changes = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer()), { maxKeys: 3 });
  const object = fc.dictionary(fc.string(), fc.jsonValue());
  fc.assert(
    fc.property(object, changes, fc.constantFrom(undefined, 1), (before, changes, space) => {
      const text = JSON.stringify(before, undefined, space);
      const after = JSON.parse(withMembers(text, changes)) as unknown;
      t.strictSame(after, JSON.parse(JSON.stringify({ ...before, ...changes })));
    }),
  );
  t.end();
});

t.test('a text that is cut off is never whole', t => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(), (object, at) => {
      const text = JSON.stringify(object);
      t.notOk(isWholeObject(text.slice(0, at % text.length)));
    }),
  );
  t.end();
});
