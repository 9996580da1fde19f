import t from 'tap';
import { tableOf, type Summary } from '../../bin/dead/print.ts';

const letter: Summary = {
  kind: 'rabbitmq',
  queue: 'rmq_a',
  id: '7',
  at: '2026-01-02T03:04:05.678Z',
  attempts: 3,
  reason: 'exited',
  experiment: '1530054414_70d7eaf4-3ce3-493a-a8f6-ffa0212a5c92',
  message: 'exited with code 3',
  place: 'studioml.dead.rmq_a',
};
const unread: Summary = {
  ...letter,
  id: '12',
  at: null,
  experiment: null,
  reason: 'not-json',
  message: 'not \u001b[2JJSON',
};

t.test('columns are as wide as what stands in them', async t => {
  t.equal(
    tableOf('rmq_a', [letter, unread]),
    `rmq_a: 2 dead letters
  ID  WHEN                  ATTEMPTS  REASON    EXPERIMENT                      WHY
  7   2026-01-02T03:04:05Z  3         exited    1530054414_70d…f6-ffa0212a5c92  exited with code 3
  12  -                     3         not-json  -                               not �[2JJSON`,
  );
  t.match(tableOf('rmq_a', [letter]), /^rmq_a: 1 dead letter\n/);
});

t.test('on a narrow terminal a letter is two lines', async t => {
  const lines = tableOf('rmq_a', [letter], 80).split('\n');
  t.strictSame(lines.slice(1, 3), [
    '  ID  WHEN                  ATTEMPTS  REASON',
    '    EXPERIMENT                      WHY',
  ]);
  t.match(lines.slice(3), [/^ {2}7 .* exited$/, /^ {4}1530054414.*92 {2}exited with code 3$/]);
  t.equal(tableOf('rmq_a', [letter], 120).split('\n').length, 3);
});
