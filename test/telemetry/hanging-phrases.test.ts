import t from 'tap';
import { hangingPhrases } from '../../lib/telemetry/hanging-phrases.ts';

t.test('phrases are broken apart where a line is full', async t => {
  t.strictSame(hangingPhrases(['one', 'two', 'three'], 9, 20), ['one · two', '· three']);
  t.strictSame(hangingPhrases(['one', 'two'], Infinity, Infinity), ['one · two']);
  t.strictSame(hangingPhrases([], 10, 10), ['']);
});

t.test('a first line without room stays empty', async t => {
  t.strictSame(hangingPhrases(['much too long'], 4, 20), ['', 'much too long']);
});

t.test('a phrase longer than a line is broken between words, a long word stays whole', async t => {
  t.strictSame(hangingPhrases(['a', 'some words in it'], 12, 10), ['a · some', 'words in', 'it']);
  t.strictSame(hangingPhrases(['/a/very/long/path: gone'], 10, 10), ['', '/a/very/long/path:', 'gone']);
});
