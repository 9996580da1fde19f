import fc from 'fast-check';
import t from 'tap';
import { shellQuote, shellUnquote } from '../../lib/request/shquote.ts';

/** What the documentation of Python's shlex.quote promises, character by character. */
const safe = new Set('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-');
const pythonQuote = (word: string): string => {
  if (word !== '' && [...word].every(character => safe.has(character))) return word;
  return `'${[...word].map(character => (character === "'" ? `'"'"'` : character)).join('')}'`;
};

const words = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.constantFrom("'", '"', `'"'"'`, ' ', '$', '\\', 'a', '-', '\n')).map(parts => parts.join('')),
);

t.test('what the recorded client quoted comes out as it was typed', async t => {
  t.equal(shellUnquote("'a b'"), 'a b');
  t.equal(shellUnquote(`'it'"'"'s'`), "it's");
  t.equal(shellUnquote("'x$HOME`id`'"), 'x$HOME`id`');
  t.equal(shellUnquote("''"), '');
  t.equal(shellUnquote('5'), '5');
});

t.test('any word survives being quoted by Python', async () => {
  fc.assert(
    fc.property(words, word => shellUnquote(pythonQuote(word)) === word && shellQuote(word) === pythonQuote(word)),
  );
});

t.test('an argument that Python would not have written so stays as it is', async t => {
  const rows = ["'abc'", "'", "'a", "a'", `"a b"`, `'a'b'`, `'it'\\''s'`, "'a' 'b'", "'a b''", " 'a b'", `'"'"'`];
  for (const argument of rows) t.equal(shellUnquote(argument), argument);
  fc.assert(
    fc.property(words, argument => {
      const word = shellUnquote(argument);
      return word === argument || pythonQuote(word) === argument;
    }),
  );
});
