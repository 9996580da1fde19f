import fc from 'fast-check';
import t from 'tap';
import { PrefixTree } from '../../lib/telemetry/prefix-tree.ts';

const word = fc.stringMatching(/^[ab]{4,9}$/);
/** What is added, and which of that is taken back. */
const uses = fc.array(fc.tuple(word, fc.boolean()), { maxLength: 12 });
const text = fc.stringMatching(/^[ab]{0,20}$/);

const treeOf = (words: readonly (readonly [string, boolean])[]): { tree: PrefixTree; left: readonly string[] } => {
  const tree = new PrefixTree();
  for (const [added] of words) tree.add(Buffer.from(added));
  for (const [added, back] of words) if (back) tree.delete(Buffer.from(added));
  return { tree, left: words.flatMap(([added, back]) => (back ? [] : [added])) };
};

t.test('the longest that stands at a place is found, whatever else came and went', async t => {
  fc.assert(
    fc.property(uses, text, fc.nat(20), (words, written, at) => {
      const { tree, left } = treeOf(words);
      const lengths = left.filter(one => written.startsWith(one, at)).map(one => one.length);
      t.equal(tree.longestAt(Buffer.from(written), at), Math.max(0, ...lengths));
      t.equal(tree.size, left.length);
    }),
    { numRuns: 2000 },
  );
});

t.test('what the end of the bytes cuts off is told from what is whole', async t => {
  fc.assert(
    fc.property(uses, text, fc.nat(19), (words, written, at) => {
      fc.pre(at < written.length);
      const { tree, left } = treeOf(words);
      const rest = written.slice(at);
      const isCut = left.some(one => one.length > rest.length && one.startsWith(rest));
      t.equal(tree.isCutAt(Buffer.from(written), at), isCut);
    }),
    { numRuns: 2000 },
  );
});
