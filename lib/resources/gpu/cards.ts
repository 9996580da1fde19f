import { Subject, type Observable } from 'rxjs';
import type { ResourceRequest, Shortage } from '../../model/resources.ts';
import type { Choice } from './choose.ts';
import { cardShortages } from './shortages.ts';

/** Cards that one attempt holds. */
export interface TakenCards {
  readonly uuids: readonly string[];
  /** The most that was in use on them together, as far as it was seen, bytes. */
  peakBytes(): number;
  /** Whether one of them is gone, has errors, or can't be asked for. Never rejects. */
  fault(): Promise<boolean>;
  /** Give them back, once. */
  release(): void;
}

/** How one card stands. */
export interface CardState {
  readonly uuid: string;
  /** Its model. */
  readonly name: string;
  readonly memoryBytes: number;
  readonly isHeld: boolean;
  /** Whether it can be granted now. */
  readonly isFree: boolean;
  /** In use as of the last look, while it is held; else 0. */
  readonly usedBytes: number;
}

/** The cards of this machine, and who holds them. A card is never held twice. */
export interface Cards {
  /** Those that can be used, by nobody in particular. */
  readonly all: readonly Choice[];
  /** Every card that is seen, those that can't be used too. */
  readonly states: readonly CardState[];
  /** What the machine lacks for a request, some time or now. */
  shortageEver(request: ResourceRequest): readonly Shortage[];
  shortageNow(request: ResourceRequest): readonly Shortage[];
  /** What it would lack if nobody held a card: the end of a run brings none that fails, is set aside, or is filled by others. */
  shortageWhenIdle(request: ResourceRequest): readonly Shortage[];
  take(request: ResourceRequest): TakenCards | undefined;
  /** Look at the cards again: others may use them, too. Errors: GpuError. */
  readonly refresh: () => Promise<void>;
  /** Keep a card out of use. */
  readonly setAside: (uuid: string) => void;
  readonly putBack: (uuid: string) => void;
  /** Something may be free that was not. */
  readonly changed$: Observable<void>;
  close(): void;
}

/** A machine without cards. */
export const noCards: Cards = {
  all: [],
  states: [],
  shortageEver: request => cardShortages(request, [], []),
  shortageNow: request => cardShortages(request, [], []),
  shortageWhenIdle: request => cardShortages(request, [], []),
  take: () => undefined,
  refresh: () => Promise.resolve(),
  setAside: () => undefined,
  putBack: () => undefined,
  changed$: new Subject<void>(),
  close: () => undefined,
};
