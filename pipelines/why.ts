import type { GrowingDelays } from '../lib/flow/growing-delay.ts';
import type { QueueName } from '../lib/model/delivery.ts';
import type { ResourceAmounts, ResourceRequest } from '../lib/model/resources.ts';
import { queueId } from '../lib/queues/queue.ts';
import type { Demand, DemandState } from '../lib/resources/demand.ts';
import type { Ledger } from '../lib/resources/ledger.ts';
import { humanBytes, humanDuration, plural, printable } from '../lib/telemetry/person-format.ts';

/** A queue that a runner knows of, and why it can not serve it, where it can't. */
export interface KnownQueue extends QueueName {
  readonly refused?: string | undefined;
}

/** What one queue waits for, with the numbers. Times in ms, sizes in bytes. */
export interface Why extends KnownQueue, DemandState {
  /**
   * - `key`: it can not be served; `refused` says why
   * - `delay`: a message was given back, and this runner leaves the queue alone for `delayMs`
   * - `room`: what it asked for last does not fit now; see `lacking`
   * - `turn`: others are before it in line
   * - `message`: for a message that can be taken, or for what becomes of the last one
   */
  readonly waitsFor: 'key' | 'delay' | 'room' | 'turn' | 'message';
  readonly delayMs: number;
  readonly total: ResourceAmounts;
  readonly free: ResourceAmounts;
}

export interface WhyContext {
  readonly demand: Demand;
  readonly ledger: Ledger;
  readonly delays: GrowingDelays;
  readonly now: () => number;
}

/** Told from what is remembered: nothing is asked of the queue, no message is taken. */
export const why = (queue: KnownQueue, { demand, ledger, delays, now }: WhyContext): Why => {
  const id = queueId(queue);
  const state = demand.stateOf(id);
  const delayMs = delays.remaining(id, now());
  const waitsFor = (): Why['waitsFor'] => {
    if (queue.refused !== undefined) return 'key';
    if (delayMs > 0) return 'delay';
    if (state.waitingMs === undefined) return 'message';
    return state.lacking.length > 0 ? 'room' : 'turn';
  };
  return {
    kind: queue.kind,
    name: queue.name,
    ...(queue.refused === undefined ? {} : { refused: queue.refused }),
    ...state,
    waitsFor: waitsFor(),
    delayMs,
    total: ledger.total,
    free: ledger.free,
  };
};

const amounts = ({ cores, memoryBytes, diskBytes }: ResourceAmounts): string =>
  `${plural(cores, 'core')}, ${humanBytes(memoryBytes)} of memory, ${humanBytes(diskBytes)} of disk`;
const asked = (request: ResourceRequest): string =>
  amounts(request) + (request.gpus > 0 ? `, ${String(request.gpus)} GPU slots` : '');

const firstLine = (one: Why): string => {
  switch (one.waitsFor) {
    case 'key':
      return `is not served: ${one.refused ?? ''}`;
    case 'delay':
      return `a message was given back; it is left alone for ${humanDuration(one.delayMs)} more`;
    case 'room':
      return `waits for room, for ${humanDuration(one.waitingMs ?? 0)} now`;
    case 'turn':
      return `waits for its turn, for ${humanDuration(one.waitingMs ?? 0)} now`;
    case 'message':
      return 'waits for a message';
    default:
      return one.waitsFor satisfies never;
  }
};

const lackingLine = ({ lacking }: Why): string =>
  lacking
    .map(({ resource, asked: wanted, available }) => {
      const shown = ['memory', 'disk', 'gpu memory'].includes(resource) ? humanBytes : String;
      return `${resource}: asks for ${shown(wanted)}, ${shown(available)} left for it`;
    })
    .join('; ');

const keptLine = (one: Why): string | undefined => {
  if (one.roomKept) return 'room is kept for it: it starts when enough of what runs has ended';
  if (one.keptFor !== undefined) return `room is kept for ${printable(one.keptFor)}, which was overtaken for long`;
  return one.roomKeptInMs === undefined
    ? undefined
    : `others overtake it; in ${humanDuration(one.roomKeptInMs)} room is kept for it`;
};

/** The same for a person. */
export const whyText = (one: Why): string => {
  const inLine = one.waitsFor === 'room' || one.waitsFor === 'turn';
  const lines = [
    one.asked === undefined ? 'it has not asked for anything yet' : `it asked for ${asked(one.asked)} last`,
    `free here: ${amounts(one.free)}; in all: ${amounts(one.total)}`,
    ...(one.lacking.length > 0 ? [`lacking: ${lackingLine(one)}`] : []),
    ...(inLine ? [`place ${String(one.place)} of ${String(one.inLine)} in line`] : []),
    ...[inLine ? keptLine(one) : undefined].filter(line => line !== undefined),
    `${String(one.running)} of its experiments ${one.running === 1 ? 'runs' : 'run'}; a run is taken for ${humanDuration(one.expectedRunMs)}`,
  ];
  return [`${printable(one.name)} (${one.kind}): ${firstLine(one)}`, ...lines.map(line => `  ${line}`)].join('\n');
};
