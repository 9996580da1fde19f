import type { ClusterApi } from '../lib/cluster/api.ts';
import { watchConfigMap } from '../lib/cluster/watch-config-map.ts';
import { messageOf } from '../lib/errors.ts';
import type { Demand } from '../lib/resources/demand.ts';
import type { Emit } from '../lib/telemetry/events.ts';
import type { Runner } from './runner.ts';

/** What an operator can ask runners for. Source: spec "When to run". */
const states = ['Running', 'DrainAndSuspend', 'DrainAndTerminate', 'Abort'] as const;
export type State = (typeof states)[number];
const isState = (value: string): value is State => states.some(state => state === value);

export interface StatesSettings {
  readonly api: ClusterApi;
  readonly namespace: string;
  /** The map for all runners, and the one for this one, which goes before it. */
  readonly names: readonly [all: string, own: string];
  readonly emit: Emit;
  /** Hears the first one when each map was heard, or can't be for now, and then each change. */
  readonly onState: (state: State) => void;
  readonly firstRetryMs?: number;
}

const member = 'STATE';

/** Follow the state that two ConfigMaps ask for: `Running` where neither says anything, or nothing can be heard. */
export const followStates = (settings: StatesSettings): { readonly close: () => void } => {
  const { api, namespace, names, emit, onState } = settings;
  const stop = new AbortController();
  const said = new Map<string, State>();
  const unheard = new Set<string>(names);
  let current: State | undefined;

  const apply = () => {
    if (unheard.size > 0) return;
    const [all, own] = names;
    const state = said.get(own) ?? said.get(all) ?? 'Running';
    if (state === current) return;
    if (state !== (current ?? 'Running')) emit('state-changed', { state });
    current = state;
    onState(state);
  };
  const hear = (name: string, data: Readonly<Record<string, string>> | undefined) => {
    unheard.delete(name);
    const value = data?.[member]?.trim();
    if (value === undefined || value === '') said.delete(name);
    else if (isState(value)) said.set(name, value);
    else {
      // What was asked for before stands: a slip of the pen must not start or stop anything.
      emit('state-unknown', { map: `${namespace}/${name}`, found: value, expected: states });
    }
    apply();
  };
  for (const name of new Set(names)) {
    const map = `${namespace}/${name}`;
    void watchConfigMap({
      api,
      namespace,
      name,
      signal: stop.signal,
      onMap: data => hear(name, data),
      onTrouble: (error, retryMs) => {
        emit('state-unavailable', { map, error: messageOf(error), retryMs });
        unheard.delete(name);
        apply();
      },
      onWell: () => emit('state-available', { map }),
      ...(settings.firstRetryMs === undefined ? {} : { firstRetryMs: settings.firstRetryMs }),
    });
  }
  return {
    close: () => {
      stop.abort(new Error('the runner stops'));
    },
  };
};

/** Do what a state asks for. */
export const enter = (state: State, runner: Pick<Runner, 'stop'>, demand: Pick<Demand, 'pause' | 'resume'>): void => {
  const reason = 'state';
  switch (state) {
    case 'Running':
      demand.resume(reason);
      return;
    case 'DrainAndSuspend':
      demand.pause(reason);
      return;
    case 'DrainAndTerminate':
      runner.stop({ finish: true, why: 'its ConfigMap asks for DrainAndTerminate' });
      return;
    case 'Abort':
      runner.stop({ now: true, why: 'its ConfigMap asks for Abort' });
      return;
    default:
      state satisfies never;
  }
};
