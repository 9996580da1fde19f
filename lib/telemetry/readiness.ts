import type { Observable } from 'rxjs';
import type { RunnerEvent } from './events.ts';

/** Why a runner is not ready, as far as events tell: each reason in words; none: it is. */
export interface Readiness {
  readonly reasons: () => readonly string[];
}

/** Follow what happens: a broker that is lost, a runner that stops. */
export const createReadiness = (events$: Observable<RunnerEvent>): Readiness => {
  const lost = new Map<string, string>();
  let stopping = false;
  events$.subscribe(({ event, fields }) => {
    const broker = String(fields['broker']);
    if (event === 'broker-lost') lost.set(broker, `the broker is lost [broker=${broker}]: ${String(fields['error'])}`);
    else if (event === 'broker-connected') lost.delete(broker);
    else if (event === 'runner-stopping') stopping = true;
  });
  return { reasons: () => [...(stopping ? ['it is draining'] : []), ...lost.values()] };
};
