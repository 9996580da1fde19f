import t from 'tap';
import { createScope } from '../../lib/flow/scope.ts';

t.test('gives back last taken first, each once', async t => {
  const order: string[] = [];
  const scope = createScope(() => t.fail('nothing fails here'));
  for (const name of ['a', 'b', 'c']) scope.add(name, () => void order.push(name));
  await Promise.all([scope.close(), scope.close()]);
  await scope.close();
  t.strictSame(order, ['c', 'b', 'a']);
});

t.test('one that fails is told, the others still go back', async t => {
  const failed: string[] = [];
  let released = false;
  const scope = createScope(name => failed.push(name));
  scope.add('first', () => {
    released = true;
  });
  scope.add('throws', () => {
    throw new Error('no');
  });
  scope.add('rejects', () => Promise.reject(new Error('no')));
  await scope.close();
  t.strictSame(failed, ['rejects', 'throws']);
  t.ok(released);
});

t.test('what is added after the end goes back at once', async t => {
  const scope = createScope(() => t.fail('nothing fails here'));
  await scope.close();
  let released = false;
  scope.add('late', () => {
    released = true;
  });
  t.ok(released);
});
