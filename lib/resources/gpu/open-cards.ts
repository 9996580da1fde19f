import { Subject } from 'rxjs';
import { messageOf } from '../../errors.ts';
import { sleep } from '../../flow/wait.ts';
import type { ResourceRequest } from '../../model/resources.ts';
import type { Emit } from '../../telemetry/events.ts';
import type { Cards, TakenCards } from './cards.ts';
import { chooseCards, type Choice } from './choose.ts';
import type { FollowMemory } from './follow-memory.ts';
import type { ReadCards } from './nvidia-smi.ts';
import type { MeasuredCard } from './parse.ts';
import { createPeaks } from './peaks.ts';
import { cardShortages } from './shortages.ts';
import { slotsOf } from './slots.ts';
import { createVisibleCards } from './visible.ts';

export interface CardsSettings {
  readonly read: ReadCards;
  /** Tells memory in use while cards are held, of cards that are no MIG instances. */
  readonly followMemory?: FollowMemory;
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
/** How often cards are looked at while some are held; while one of them is a MIG instance, whose memory nobody else tells. */
const sampleMs = 5000;
const instanceSampleMs = 1000;

/**
 * Read the cards for the first time.
 * Errors: GpuError, where nvidia-smi is there and tells of none.
 */
export const openCards = async ({
  read,
  followMemory = () => () => undefined,
  visible,
  overrides,
  emit,
  now = () => performance.now(),
}: CardsSettings): Promise<Cards> => {
  const held = new Set<string>();
  const aside = new Set<string>();
  const releasedAtMs = new Map<string, number>();
  const told = new Map<string, string>();
  const peaks = createPeaks();
  const visibleCards = createVisibleCards(visible);
  const changed = new Subject<void>();
  let measured: readonly MeasuredCard[] = [];
  let failing: string | undefined;
  let again: NodeJS.Timeout | undefined;
  let sampler: NodeJS.Timeout | undefined;
  let sampledMs = 0;
  let endFollowing: (() => void) | undefined;

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
  /** A driver frees the memory of a run that has just ended by itself. */
  const isFreeing = ({ uuid }: MeasuredCard) => now() - (releasedAtMs.get(uuid) ?? -Infinity) < freeingMs;
  const freeAmong = (cards: readonly MeasuredCard[]) =>
    failing === undefined ? cards.filter(({ uuid }) => !aside.has(uuid)).map(choiceOf) : [];
  const freeWhenIdle = () => freeAmong(fit().filter(card => !isFilled(card) || isFreeing(card)));
  const free = () => freeAmong(fit().filter(card => !held.has(card.uuid) && !isFilled(card)));

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
    measured = visibleCards(await read());
    for (const card of measured) {
      peaks.tell(card.uuid, card.usedBytes);
      tell(card);
    }
    tellModels();
    if (measured.length > 0 && measured.map(({ uuid }) => uuid).join() !== before)
      emit('gpus-found', { gpus: measured.map(({ uuid, name }) => `${name} ${uuid}`) });
    failing = undefined;
  };
  const isBeingFreed = () => measured.some(card => isFilled(card) && isFreeing(card));

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

  /** Look at what is held as often as it needs; at nothing while nothing is. */
  const sample = () => {
    const hasInstance = measured.some(({ uuid, part }) => part !== undefined && held.has(uuid));
    const hasCard = measured.some(({ uuid, part }) => part === undefined && held.has(uuid));
    const everyMs = held.size === 0 ? 0 : hasInstance ? instanceSampleMs : sampleMs;
    if (everyMs !== sampledMs) {
      clearInterval(sampler);
      if (everyMs > 0) sampler = setInterval(() => void refresh().catch(() => undefined), everyMs).unref();
      sampledMs = everyMs;
    }
    if (hasCard) endFollowing ??= followMemory(peaks.tell);
    else {
      endFollowing?.();
      endFollowing = undefined;
    }
  };

  const take = (request: ResourceRequest): TakenCards | undefined => {
    const chosen = chooseCards(request, all(), free());
    if (!chosen || chosen.length === 0) return undefined;
    const uuids = chosen.map(({ uuid }) => uuid);
    for (const uuid of uuids) held.add(uuid);
    const peak = peaks.of(uuids);
    sample();
    let isHeld = true;
    return {
      uuids,
      peakBytes: peak.bytes,
      fault: async () => {
        const isSeen = await refresh().then(
          () => true,
          () => false,
        );
        return !isSeen || uuids.some(uuid => !fit().some(card => card.uuid === uuid));
      },
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        peak.end();
        for (const uuid of uuids) {
          held.delete(uuid);
          releasedAtMs.set(uuid, now());
        }
        // What was measured was the run's own; before a card is granted it is looked at anew.
        measured = measured.map(card => (uuids.includes(card.uuid) ? { ...card, usedBytes: 0 } : card));
        sample();
      },
    };
  };

  await look();
  lookAgain();
  return {
    get all() {
      return all();
    },
    get states() {
      const open = new Set(free().map(({ uuid }) => uuid));
      return measured.map(({ uuid, name, memoryBytes }) => ({
        uuid,
        name,
        memoryBytes,
        isHeld: held.has(uuid),
        isFree: open.has(uuid),
        usedBytes: peaks.usedBytes(uuid),
      }));
    },
    shortageEver: request => cardShortages(request, all(), all()),
    shortageNow: request => cardShortages(request, all(), free()),
    shortageWhenIdle: request => cardShortages(request, all(), freeWhenIdle()),
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
      endFollowing?.();
    },
  };
};
