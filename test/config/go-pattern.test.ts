import t from 'tap';
import { compileGoPattern } from '../../lib/config/go-pattern.ts';

const cases: readonly (readonly [pattern: string, matches: readonly string[], not: readonly string[]])[] = [
  ['^(rmq|sqs)_.*$', ['rmq_', 'sqs_x'], ['xrmq_', 'local_a']],
  ['(?i)^RMQ_', ['rmq_a', 'RMQ_a'], ['sqs_a']],
  ['(?is)^a.b$', ['A\nB'], ['ab']],
  ['^rmq\\-a\\_b$', ['rmq-a_b'], ['rmq\\-a_b']],
  ['^[a\\-z]$', ['a', '-', 'z'], ['b']],
  ['^\\\\-$', ['\\-'], ['-']],
  ['\\Aab\\z', ['ab'], ['ab\n', 'xab']],
  ['^(?P<kind>rmq)_', ['rmq_'], ['sqs_']],
  ['^[[:alpha:]]+[[:digit:]]$', ['abc1'], ['ab', '11']],
  ['^\\d+\\.\\w$', ['12.a'], ['12xa']],
];

t.test('expressions written for Go mean the same here', async t => {
  for (const [pattern, matches, not] of cases) {
    const compiled = compileGoPattern(pattern);
    for (const text of matches) t.ok(compiled.test(text), `${pattern} matches ${JSON.stringify(text)}`);
    for (const text of not) t.notOk(compiled.test(text), `${pattern} does not match ${JSON.stringify(text)}`);
  }
});

t.test('what is no expression in Go, or means something that can not be said here, is an error', async t => {
  for (const pattern of ['(', 'a**', '[b-a]', '\\Qa', '(?U)a', '*'])
    t.throws(() => compileGoPattern(pattern), { name: 'SyntaxError' }, pattern);
});
