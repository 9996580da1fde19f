import type { Observable } from 'rxjs';
import type { RunnerEvent } from './events.ts';

/** Why a runner is not ready, as far as events tell: each reason in words; none: it is. */
export interface Readiness {
  readonly reasons: () => readonly string[];
}

/** Follow what happens: a broker that is lost, a runner that is suspended or stops. */
export const createReadiness = (events$: Observable<RunnerEvent>): Readiness => {
  const lost = new Map<string, string>();
  let stopping = false;
  let suspended = false;
  events$.subscribe(({ event, fields }) => {
    const broker = String(fields['broker']);
    if (event === 'broker-lost') lost.set(broker, `the broker is lost [broker=${broker}]: ${String(fields['error'])}`);
    else if (event === 'broker-connected') lost.delete(broker);
    else if (event === 'runner-stopping') stopping = true;
    else if (event === 'state-changed') suspended = fields['state'] === 'DrainAndSuspend';
  });
  return {
    reasons: () => [
      ...(stopping ? ['it is draining'] : []),
      ...(suspended ? ['it is suspended by its ConfigMap'] : []),
      ...lost.values(),
    ],
  };
};
