import { Observable } from 'rxjs';
import { notNeeded } from './wait.ts';

/**
 * The source that asks before it takes: `next` is called again only when its last value was handed on, so whatever `next`
 * waits for first (a credit, room, a message) bounds what is held. RxJS itself would take without limit.
 *
 * @param next resolves with a value, or undefined to be asked again; must reject soon after its signal aborts
 * @param until completes the stream when it aborts; a value that `next` still delivers is handed on, not lost
 */
export const pull = <T>(next: (signal: AbortSignal) => Promise<T | undefined>, until: AbortSignal): Observable<T> =>
  new Observable<T>(subscriber => {
    const unsubscribed = new AbortController();
    const signal = AbortSignal.any([until, unsubscribed.signal]);
    const loop = async () => {
      while (!signal.aborted) {
        const value = await next(signal);
        if (value !== undefined) subscriber.next(value);
      }
    };
    loop().then(
      () => {
        subscriber.complete();
      },
      (error: unknown) => {
        if (signal.aborted) subscriber.complete();
        else subscriber.error(error);
      },
    );
    return () => {
      unsubscribed.abort(notNeeded);
    };
  });
