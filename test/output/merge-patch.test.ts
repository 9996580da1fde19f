import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { Journal } from '../../lib/output/journal.ts';
import { cloneJson, define, isObject, weigh, type Json, type JsonObject } from '../../lib/output/json.ts';
import { applyMergePatch } from '../../lib/output/merge-patch.ts';

const parse = (text: string): JsonObject => JSON.parse(text) as JsonObject;

/** The algorithm of RFC 7396, section 2, said as simply as it can be. */
const reference = (target: Json | undefined, patch: Json): Json => {
  if (!isObject(patch)) return patch;
  const result = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name);
    else result.set(name, reference(result.get(name), value));
  }
  const made: JsonObject = {};
  for (const [name, value] of result) define(made, name, value);
  return made;
};

// Source: RFC 7396, appendix A, the cases whose document and patch are objects.
const cases: [string, string, string][] = [
  ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
  ['{"a":"b"}', '{"a":null}', '{}'],
  ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
  ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
  ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
  ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
  ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
  ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
];

for (const [before, patch, after] of cases) {
  t.test(`${before} merged with ${patch} is ${after}`, async t => {
    const root = parse(before);
    t.equal(applyMergePatch(root, parse(patch), new Journal()), undefined);
    t.strictSame(root, parse(after));
  });
}

const anyObject = fc.dictionary(
  fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor'),
  fc.jsonValue({ maxDepth: 4 }),
);

t.test('a merge does what the algorithm of the RFC does', async t => {
  fc.assert(
    fc.property(anyObject, anyObject, (before, patch) => {
      const root = parse(JSON.stringify(before));
      const expected = reference(cloneJson(root), parse(JSON.stringify(patch)));
      applyMergePatch(root, parse(JSON.stringify(patch)), new Journal());
      t.ok(isDeepStrictEqual(root, expected));
    }),
  );
});

t.test('a merge that is rolled back leaves what was there, and one that is kept is weighed', async t => {
  fc.assert(
    fc.property(anyObject, anyObject, (before, patch) => {
      const root: JsonObject = {};
      const journal = new Journal();
      applyMergePatch(root, parse(JSON.stringify(before)), journal);
      journal.commit(Infinity);
      const was = cloneJson(root);
      applyMergePatch(root, parse(JSON.stringify(patch)), journal);
      journal.rollback();
      t.ok(isDeepStrictEqual(root, was));
      applyMergePatch(root, parse(JSON.stringify(patch)), journal);
      journal.commit(Infinity);
      t.equal(journal.weight, weigh(root) - weigh({}));
    }),
  );
});

t.test('a patch that is nested too deeply is refused', async t => {
  const fault = applyMergePatch({}, parse(`{"a":${'['.repeat(300)}${']'.repeat(300)}}`), new Journal());
  t.match(fault, /^\/a: nested too deeply/);
});
