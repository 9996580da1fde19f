import { Subject, lastValueFrom, of, throwError, toArray } from 'rxjs';
import t from 'tap';
import { conflateMap } from '../../lib/flow/conflate.ts';

const rig = () => {
  const source = new Subject<string>();
  const works: { value: string; done: Subject<string> }[] = [];
  const out: string[] = [];
  const subscription = source
    .pipe(
      conflateMap(
        (waiting, next) => waiting + next,
        value => {
          const done = new Subject<string>();
          works.push({ value, done });
          return done;
        },
      ),
    )
    .subscribe({ next: value => out.push(value), complete: () => out.push('over'), error: () => out.push('failed') });
  const finish = (at: number) => {
    works[at]?.done.next(`did ${works[at]?.value ?? ''}`);
    works[at]?.done.complete();
  };
  return { source, works, out, subscription, finish, begun: () => works.map(({ value }) => value) };
};

t.test('what comes during work becomes one that follows it', async t => {
  const { source, out, finish, begun } = rig();
  for (const value of ['a', 'b', 'c']) source.next(value);
  t.same(begun(), ['a']);
  finish(0);
  t.same(begun(), ['a', 'bc']);
  source.next('d');
  source.complete();
  finish(1);
  t.same(out, ['did a', 'did bc']);
  finish(2);
  t.same(out, ['did a', 'did bc', 'did d', 'over']);
});

t.test('a failure of the work or of the source is told, unsubscribing ends the work', async t => {
  const failing = rig();
  failing.source.next('a');
  failing.works[0]?.done.error(new Error('no'));
  t.same(failing.out, ['failed']);
  const ended = rig();
  ended.source.next('a');
  ended.source.next('b');
  ended.subscription.unsubscribe();
  t.notOk(ended.works[0]?.done.observed);
  t.same(ended.begun(), ['a']);
  await t.rejects(
    lastValueFrom(
      throwError(() => new Error('source')).pipe(
        conflateMap(
          a => a,
          value => of(value),
        ),
      ),
    ),
    {
      message: 'source',
    },
  );
});

t.test('work that is done at once keeps its order', async t => {
  t.same(
    await lastValueFrom(
      of(1, 2, 3).pipe(
        conflateMap(
          (_, next) => next,
          value => of(value),
        ),
        toArray(),
      ),
    ),
    [1, 2, 3],
  );
});
