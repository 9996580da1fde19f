import t from 'tap';
import { createNames, shortName } from '../../lib/queues/names.ts';

t.test('who was there first keeps the short name', t => {
  const names = createNames();
  names.assign([['b', 'sqs_x']]);
  names.assign([
    ['a', 'sqs_x'],
    ['b', 'sqs_x'],
    ['b', 'sqs_y'],
  ]);
  t.strictSame([...names.all()].sort(), ['sqs_x', 'sqs_x@a', 'sqs_y']);
  t.strictSame(names.find('sqs_x'), ['b', 'sqs_x']);
  t.strictSame(names.find('sqs_x@a'), ['a', 'sqs_x']);
  t.equal(shortName('sqs_x@a'), 'sqs_x');
  names.assign([['a', 'sqs_x']]);
  t.strictSame([...names.all()], ['sqs_x@a'], 'a name stays with its queue');
  names.assign([]);
  names.assign([['a', 'sqs_x']]);
  t.strictSame([...names.all()], ['sqs_x']);
  t.end();
});
