import { Subject, type Observable } from 'rxjs';
import { messageOf } from '../../errors.ts';
import { sleep } from '../../flow/wait.ts';
import type { ResourceRequest, Shortage } from '../../model/resources.ts';
import type { Emit } from '../../telemetry/events.ts';
import { chooseCards, type Choice } from './choose.ts';
import type { ReadCards } from './nvidia-smi.ts';
import type { MeasuredCard } from './parse.ts';
import { cardShortages } from './shortages.ts';
import { slotsOf } from './slots.ts';
import { visibleCards } from './visible.ts';

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

/** The cards of this machine, and who holds them. A card is never held twice. */
export interface Cards {
  /** Those that can be used, by nobody in particular. */
  readonly all: readonly Choice[];
  /** What the machine lacks for a request, some time or now. */
  shortageEver(request: ResourceRequest): readonly Shortage[];
  shortageNow(request: ResourceRequest): readonly Shortage[];
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
  shortageEver: request => cardShortages(request, [], []),
  shortageNow: request => cardShortages(request, [], []),
  take: () => undefined,
  refresh: () => Promise.resolve(),
  setAside: () => undefined,
  putBack: () => undefined,
  changed$: new Subject<void>(),
  close: () => undefined,
};

export interface CardsSettings {
  readonly read: ReadCards;
  /** CUDA_VISIBLE_DEVICES of the runner. */
  readonly visible: string | undefined;
  /** Slots by model that come before the table's. */
  readonly overrides: ReadonlyMap<string, number>;
  readonly emit: Emit;
  /** Clock in ms; only differences count. */
  readonly now?: () => number;
}

/** A display or a monitor takes a little; whoever takes more than this share of a card's memory fills it. */
const strangerShare = 0.1;
/** A driver frees the memory of a process that ended a moment later. */
const freeingMs = 3000;
const freeingPauseMs = 300;
/** How often cards that others fill, or that can't be looked at, are looked at again. */
const againMs = 10_000;
/** How often memory in use is looked at while cards are held. */
const sampleMs = 5000;

/**
 * Read the cards for the first time.
 * Errors: GpuError, where nvidia-smi is there and tells of none.
 */
export const openCards = async ({
  read,
  visible,
  overrides,
  emit,
  now = () => performance.now(),
}: CardsSettings): Promise<Cards> => {
  const held = new Set<string>();
  const aside = new Set<string>();
  const releasedAtMs = new Map<string, number>();
  const told = new Map<string, string>();
  const peaks = new Map<string, (card: MeasuredCard) => void>();
  const changed = new Subject<void>();
  let measured: readonly MeasuredCard[] = [];
  let failing: string | undefined;
  let again: NodeJS.Timeout | undefined;
  let sampler: NodeJS.Timeout | undefined;

  const choiceOf = (card: MeasuredCard): Choice => ({
    uuid: card.uuid,
    slots: slotsOf(card, overrides).slots,
    memoryBytes: card.memoryBytes,
    isInstance: card.part !== undefined,
  });
  const isFilled = ({ uuid, usedBytes, memoryBytes }: MeasuredCard) =>
    !held.has(uuid) && usedBytes > strangerShare * memoryBytes;
  const fit = () => measured.filter(({ uncorrectable }) => uncorrectable === 0);
  const all = () => fit().map(choiceOf);
  const free = () =>
    failing === undefined
      ? fit()
          .filter(card => !held.has(card.uuid) && !aside.has(card.uuid) && !isFilled(card))
          .map(choiceOf)
      : [];

  /** Say once for each state of a card what is wrong with it. */
  const tell = (card: MeasuredCard) => {
    const why =
      card.uncorrectable > 0
        ? `${String(card.uncorrectable)} memory errors could not be corrected`
        : isFilled(card)
          ? 'somebody else uses its memory'
          : undefined;
    if (told.get(card.uuid) === why) return;
    if (why === undefined) told.delete(card.uuid);
    else {
      told.set(card.uuid, why);
      emit('gpu-unfit', { gpu: card.uuid, name: card.name, why });
    }
  };
  const tellModels = () => {
    for (const card of measured) {
      const { slots, isKnown } = slotsOf(card, overrides);
      if (isKnown || told.has(card.name)) continue;
      told.set(card.name, '');
      emit('gpu-unknown', { name: card.name, slots });
    }
  };

  const look = async (): Promise<void> => {
    const before = measured.map(({ uuid }) => uuid).join();
    measured = visibleCards(await read(), visible);
    for (const card of measured) {
      peaks.get(card.uuid)?.(card);
      tell(card);
    }
    tellModels();
    if (measured.length > 0 && measured.map(({ uuid }) => uuid).join() !== before)
      emit('gpus-found', { gpus: measured.map(({ uuid, name }) => `${name} ${uuid}`) });
    failing = undefined;
  };
  const isBeingFreed = () =>
    measured.some(card => isFilled(card) && now() - (releasedAtMs.get(card.uuid) ?? -Infinity) < freeingMs);

  let looking: Promise<void> | undefined;
  const refresh = (): Promise<void> => {
    looking ??= (async () => {
      try {
        await look();
        while (isBeingFreed()) {
          await sleep(freeingPauseMs);
          await look();
        }
      } catch (error) {
        if (failing === undefined) emit('gpus-unavailable', { why: messageOf(error) });
        failing = messageOf(error);
        throw error;
      } finally {
        looking = undefined;
        lookAgain();
        changed.next();
      }
    })();
    return looking;
  };
  /** What is wrong may pass. */
  const lookAgain = () => {
    clearTimeout(again);
    if (failing === undefined && !measured.some(isFilled)) return;
    again = setTimeout(() => void refresh().catch(() => undefined), againMs);
    again.unref();
  };

  const take = (request: ResourceRequest): TakenCards | undefined => {
    const chosen = chooseCards(request, all(), free());
    if (!chosen || chosen.length === 0) return undefined;
    const used = new Map<string, number>();
    let peakBytes = 0;
    for (const { uuid } of chosen) {
      held.add(uuid);
      peaks.set(uuid, card => {
        used.set(uuid, card.usedBytes);
        peakBytes = Math.max(
          peakBytes,
          [...used.values()].reduce((sum, bytes) => sum + bytes, 0),
        );
      });
    }
    sampler ??= setInterval(() => void refresh().catch(() => undefined), sampleMs).unref();
    let isHeld = true;
    return {
      uuids: chosen.map(({ uuid }) => uuid),
      peakBytes: () => peakBytes,
      fault: async () => {
        const isSeen = await refresh().then(
          () => true,
          () => false,
        );
        return !isSeen || chosen.some(({ uuid }) => !fit().some(card => card.uuid === uuid));
      },
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        for (const { uuid } of chosen) {
          held.delete(uuid);
          peaks.delete(uuid);
          releasedAtMs.set(uuid, now());
        }
        if (held.size > 0) return;
        clearInterval(sampler);
        sampler = undefined;
      },
    };
  };

  await look();
  lookAgain();
  return {
    get all() {
      return all();
    },
    shortageEver: request => cardShortages(request, all(), all()),
    shortageNow: request => cardShortages(request, all(), free()),
    take,
    refresh,
    setAside: uuid => {
      aside.add(uuid);
    },
    putBack: uuid => {
      aside.delete(uuid);
      changed.next();
    },
    changed$: changed.asObservable(),
    close: () => {
      clearTimeout(again);
      clearInterval(sampler);
    },
  };
};
