import { readFile } from 'node:fs/promises';
import t from 'tap';
import { describeOptions, optionsMarkdown, withOptionsTable, wrap } from '../../lib/config/describe.ts';
import { flagOf } from '../../lib/config/option-rows.ts';
import { options } from '../../lib/config/options.ts';

const rows = Object.values(options);

t.test('the help tells every option and stays within the terminal', async t => {
  for (const columns of [80, 100, 120]) {
    const help = describeOptions(columns);
    for (const row of rows) t.ok(help.includes(`  ${flagOf(row)}`), `${flagOf(row)} at ${String(columns)}`);
    t.same(
      help.split('\n').filter(line => [...line].length > columns),
      [],
      `no line is longer than ${String(columns)}`,
    );
  }
});

t.test('the help reads like this', async t => {
  t.match(
    describeOptions(80),
    `  --max-attempts N              Attempts that an experiment gets in all, on
                                every runner, before it becomes a dead letter.
                                [default: 3; at least 1]
`,
  );
  t.match(describeOptions(80), '  --k8s-namespace NAME');
});

t.test('text is wrapped between words only', async t => {
  t.same(wrap('one two three', 7), ['one two', 'three']);
  t.same(wrap('incomprehensible word', 5), ['incomprehensible', 'word']);
});

t.test('the table in Markdown has a row for every option, bars escaped', async t => {
  const lines = optionsMarkdown().split('\n');
  for (const row of rows) {
    const line = lines.find(line => line.startsWith(`| \`${flagOf(row)}\` | \`${row.env}\` |`));
    t.equal(line?.replaceAll('\\|', '').split('|').length, 6, row.env);
  }
});

t.test('the table goes between the markers and nowhere else', async t => {
  const document = 'before\n<!-- options -->\nold\n<!-- /options -->\nafter\n';
  const renewed = withOptionsTable(document);
  t.match(
    renewed,
    /^before\n<!-- options -->\n\n<!-- prettier-ignore-start -->\n### Queues[^]*\n\n<!-- \/options -->\nafter\n$/,
  );
  t.notMatch(renewed, '\nold\n');
  t.equal(withOptionsTable(renewed), renewed);
  t.throws(() => withOptionsTable('no markers'), /expected the markers/);
});

t.test('the README is up to date: npm run options renews it', async t => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  t.equal(withOptionsTable(readme), readme);
});
