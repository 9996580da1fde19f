import { from, Observable, Subscription, type ObservableInput, type OperatorFunction } from 'rxjs';

/**
 * Work on one value at a time, in order. Values that come meanwhile become one, by `merge`: nothing queues up behind work that is
 * slow, and nothing is left out.
 */
export const conflateMap =
  <A, B>(merge: (waiting: A, next: A) => A, work: (value: A) => ObservableInput<B>): OperatorFunction<A, B> =>
  (source: Observable<A>) =>
    new Observable<B>(subscriber => {
      let waiting: { readonly value: A } | undefined;
      let current: Subscription | undefined;
      let isOver = false;
      const next = () => {
        const turn = waiting;
        waiting = undefined;
        if (turn) start(turn.value);
        else if (isOver) subscriber.complete();
      };
      const start = (value: A) => {
        const turn = new Subscription();
        current = turn;
        turn.add(
          from(work(value)).subscribe({
            next: result => subscriber.next(result),
            error: (error: unknown) => subscriber.error(error),
            complete: () => {
              current = undefined;
              next();
            },
          }),
        );
      };
      const outer = source.subscribe({
        next: value => {
          waiting = { value: waiting ? merge(waiting.value, value) : value };
          if (!current) next();
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => {
          isOver = true;
          if (!current && !waiting) subscriber.complete();
        },
      });
      return () => {
        outer.unsubscribe();
        current?.unsubscribe();
      };
    });
