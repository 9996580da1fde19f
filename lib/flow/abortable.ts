import { Observable } from 'rxjs';
import { notNeeded } from './wait.ts';

/**
 * An async function as an Observable of its one result. Unsubscribing aborts the signal it was given; so does `outer`, with
 * its reason. Nothing starts before there is a subscriber.
 */
export const abortable = <T>(work: (signal: AbortSignal) => Promise<T>, outer?: AbortSignal): Observable<T> =>
  new Observable<T>(subscriber => {
    const controller = new AbortController();
    const signal = outer ? AbortSignal.any([outer, controller.signal]) : controller.signal;
    Promise.resolve()
      .then(() => work(signal))
      .then(
        value => {
          subscriber.next(value);
          subscriber.complete();
        },
        (error: unknown) => {
          subscriber.error(error);
        },
      );
    return () => {
      controller.abort(notNeeded);
    };
  });
