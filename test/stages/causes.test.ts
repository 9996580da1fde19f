import { readFileSync } from 'node:fs';
import t from 'tap';
import { causes, causesMarkdown } from '../../lib/stages/causes.ts';
import { settlementRules } from '../../lib/stages/settlements.ts';

t.test('docs/causes.md is the table of causes as it stands', t => {
  const written = readFileSync(new URL('../../docs/causes.md', import.meta.url), 'utf8');
  t.equal(written, causesMarkdown(), 'npm run causes renews it');
  t.strictSame(Object.keys(causes).sort(), Object.keys(settlementRules).sort());
  t.end();
});
