import { catchError, defer, mergeMap, of, type Observable, type OperatorFunction } from 'rxjs';

/**
 * Run each value through its own copy of `stages`. An error ends that value's copy only: what `recover` makes of it comes out
 * in its place. How many run at once is not bounded here: whoever takes the values in bounds them (see pull).
 */
export const isolate = <A, B>(
  stages: OperatorFunction<A, B>,
  recover: (error: unknown, value: A) => Observable<B>,
): OperatorFunction<A, B> =>
  mergeMap(value => defer(() => of(value).pipe(stages)).pipe(catchError((error: unknown) => recover(error, value))));
