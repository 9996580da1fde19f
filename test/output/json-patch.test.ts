import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { Journal } from '../../lib/output/journal.ts';
import { cloneJson, weigh, type JsonObject } from '../../lib/output/json.ts';
import { applyJsonPatch } from '../../lib/output/json-patch.ts';

const parse = <T>(text: string): T => JSON.parse(text) as T;
const apply = (root: JsonObject, patch: JsonObject[], journal = new Journal()) =>
  applyJsonPatch(root, patch, journal, []);

// Source: RFC 6902, appendix A. What is expected: the document after it, or the reason why not.
const cases: [string, string, string, string | RegExp][] = [
  ['A.1 add a member', '{"foo":"bar"}', '[{"op":"add","path":"/baz","value":"qux"}]', '{"baz":"qux","foo":"bar"}'],
  [
    'A.2 add an item',
    '{"foo":["bar","baz"]}',
    '[{"op":"add","path":"/foo/1","value":"qux"}]',
    '{"foo":["bar","qux","baz"]}',
  ],
  ['A.3 remove a member', '{"baz":"qux","foo":"bar"}', '[{"op":"remove","path":"/baz"}]', '{"foo":"bar"}'],
  ['A.4 remove an item', '{"foo":["bar","qux","baz"]}', '[{"op":"remove","path":"/foo/1"}]', '{"foo":["bar","baz"]}'],
  [
    'A.5 replace a value',
    '{"baz":"qux","foo":"bar"}',
    '[{"op":"replace","path":"/baz","value":"boo"}]',
    '{"baz":"boo","foo":"bar"}',
  ],
  [
    'A.6 move a value',
    '{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}',
    '[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]',
    '{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}',
  ],
  [
    'A.7 move an item',
    '{"foo":["all","grass","cows","eat"]}',
    '[{"op":"move","from":"/foo/1","path":"/foo/3"}]',
    '{"foo":["all","cows","eat","grass"]}',
  ],
  [
    'A.8 test with success',
    '{"baz":"qux","foo":["a",2,"c"]}',
    '[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]',
    '{"baz":"qux","foo":["a",2,"c"]}',
  ],
  ['A.9 test with an error', '{"baz":"qux"}', '[{"op":"test","path":"/baz","value":"bar"}]', /another one/],
  [
    'A.10 add a nested object',
    '{"foo":"bar"}',
    '[{"op":"add","path":"/child","value":{"grandchild":{}}}]',
    '{"foo":"bar","child":{"grandchild":{}}}',
  ],
  [
    'A.11 unknown members',
    '{"foo":"bar"}',
    '[{"op":"add","path":"/baz","value":"qux","xyz":123}]',
    '{"foo":"bar","baz":"qux"}',
  ],
  [
    'A.12 add where no parent is',
    '{"foo":"bar"}',
    '[{"op":"add","path":"/baz/bat","value":"qux"}]',
    /parent is not there/,
  ],
  ['A.14 ~ escapes', '{"/":9,"~1":10}', '[{"op":"test","path":"/~01","value":10}]', '{"/":9,"~1":10}'],
  ['A.15 a string is no number', '{"/":9,"~1":10}', '[{"op":"test","path":"/~01","value":"10"}]', /another one/],
  [
    'A.16 add to the end',
    '{"foo":["bar"]}',
    '[{"op":"add","path":"/foo/-","value":["abc","def"]}]',
    '{"foo":["bar",["abc","def"]]}',
  ],
  // Sections 4.1 to 4.6, and RFC 6901
  ['an index past the end', '{"foo":[1]}', '[{"op":"add","path":"/foo/2","value":2}]', /no such place/],
  ['an index with a leading zero', '{"foo":[1,2]}', '[{"op":"replace","path":"/foo/01","value":2}]', /no such member/],
  ['- names no item to remove', '{"foo":[1]}', '[{"op":"remove","path":"/foo/-"}]', /no such member/],
  ['an add that replaces', '{"foo":1}', '[{"op":"add","path":"/foo","value":null}]', '{"foo":null}'],
  ['a null that is there', '{"foo":null}', '[{"op":"test","path":"/foo","value":null}]', '{"foo":null}'],
  ['replace of nothing', '{}', '[{"op":"replace","path":"/foo","value":1}]', /no such member/],
  ['a move into itself', '{"a":{"b":1}}', '[{"op":"move","from":"/a","path":"/a/b"}]', /into itself/],
  ['a move onto itself', '{"a":1}', '[{"op":"move","from":"/a","path":"/a"}]', '{"a":1}'],
  [
    'a copy is a copy',
    '{"a":{"b":1}}',
    '[{"op":"copy","from":"/a","path":"/c"},{"op":"replace","path":"/a/b","value":2}]',
    '{"a":{"b":2},"c":{"b":1}}',
  ],
  [
    'members in another order',
    '{"a":{"x":1,"y":[2]}}',
    '[{"op":"test","path":"/a","value":{"y":[2],"x":1}}]',
    '{"a":{"x":1,"y":[2]}}',
  ],
  ['a bad escape', '{}', '[{"op":"add","path":"/a~2","value":1}]', /not a JSON pointer/],
  ['a path without slash', '{}', '[{"op":"add","path":"a","value":1}]', /not a JSON pointer/],
  ['no value', '{}', '[{"op":"add","path":"/a"}]', /value is missing/],
  ['an unknown op', '{}', '[{"op":"spam","path":"/a"}]', /op is not one of/],
  ['an inherited member', '{}', '[{"op":"test","path":"/constructor/name","value":"Object"}]', /no such member/],
  ['__proto__ is not there', '{}', '[{"op":"add","path":"/__proto__/polluted","value":1}]', /parent is not there/],
  [
    '__proto__ is a member',
    '{}',
    '[{"op":"add","path":"/__proto__","value":{"a":1}},{"op":"add","path":"/__proto__/b","value":2}]',
    '{"__proto__":{"a":1,"b":2}}',
  ],
];

for (const [title, before, patch, expected] of cases) {
  t.test(title, async t => {
    const root = parse<JsonObject>(before);
    const fault = apply(root, parse(patch));
    if (expected instanceof RegExp) {
      t.match(fault, expected);
    } else {
      t.equal(fault, undefined);
      t.strictSame(JSON.parse(JSON.stringify(root)), parse(expected));
    }
    t.equal(({} as Record<string, unknown>)['polluted'], undefined);
  });
}

const pointer = fc
  .array(fc.constantFrom('a', 'b', '0', '1', '-', '__proto__', 'constructor', '~0', 'studioml', 'log'), {
    maxLength: 4,
  })
  .map(tokens => tokens.map(token => `/${token}`).join(''));
const operation = fc.record(
  {
    op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'none'),
    path: fc.oneof(pointer, fc.jsonValue()),
    from: pointer,
    value: fc.jsonValue({ maxDepth: 3 }),
  },
  { requiredKeys: ['op', 'path'] },
);
const start = () => parse<JsonObject>('{"studioml":{"x":[1]},"a":{"a":[0,{"b":1}],"b":null},"b":["p","q"]}');

t.test('a patch that fails leaves the document as it was; one that is kept is weighed right', async t => {
  fc.assert(
    fc.property(fc.array(fc.array(operation, { minLength: 1, maxLength: 6 }), { maxLength: 8 }), patches => {
      const root: JsonObject = {};
      const journal = new Journal();
      for (const [name, value] of Object.entries(start())) journal.setMember(root, name, value, weigh(value));
      journal.commit(Infinity);
      for (const patch of patches) {
        const was = cloneJson(root);
        const fault = apply(root, parse(JSON.stringify(patch)), journal);
        if (fault === undefined) {
          journal.commit(Infinity);
        } else {
          journal.rollback();
          t.ok(isDeepStrictEqual(root, was), fault);
        }
        t.equal(journal.weight, weigh(root) - weigh({}));
        const { x } = root['studioml'] as { x: number[] };
        t.equal(x[0], 1, 'what the runner wrote stays');
      }
    }),
    { numRuns: 500 },
  );
});

t.test('an operation that fails is named', async t => {
  const patch = parse<JsonObject[]>('[{"op":"add","path":"/x","value":1},{"op":"remove","path":"/nowhere"}]');
  t.equal(apply({}, patch), 'operation 1 (remove /nowhere): no such member or item');
});

t.test('moves cannot nest a value ever more deeply', async t => {
  const root: JsonObject = {};
  const journal = new Journal();
  const deep = (levels: number) => parse<JsonObject>(`${'{"d":'.repeat(levels)}{}${'}'.repeat(levels)}`);
  t.equal(apply(root, [{ op: 'add', path: '/a', value: deep(150) }], journal), undefined);
  t.equal(apply(root, [{ op: 'add', path: '/b', value: deep(150) }], journal), undefined);
  t.match(apply(root, [{ op: 'move', from: '/a', path: `/b${'/d'.repeat(151)}` }], journal), /too deeply/);
});

t.test('a patch of many operations takes time in proportion', async t => {
  const adds = Array.from({ length: 50_000 }, (_, at) => ({ op: 'add', path: `/m${at}`, value: at }));
  const startedAt = performance.now();
  const root: JsonObject = {};
  const journal = new Journal();
  t.match(apply(root, [...adds, { op: 'test', path: '/none', value: 1 }], journal), /operation 50000/);
  journal.rollback();
  t.strictSame(root, {});
  t.ok(performance.now() - startedAt < 5000);
});
