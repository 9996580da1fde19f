import type { ConsumeMessage } from 'amqplib';
import { notNeeded, sleep } from '../../flow/wait.ts';
import { alarm } from './alarm.ts';
import type { LiveConnection } from './connection.ts';
import { patienceArguments } from './patience.ts';
import { closeWorkChannel, giveBackOn, type WorkChannel } from './work-channel.ts';

/** Alarms on one channel. A broker allows 2047 channels a connection unless told otherwise, and each costs it processes. */
const alarmsPerChannel = 128;

/** A channel on which queues are waited for, and what it costs to close it. */
export interface AlarmChannel extends WorkChannel {
  /** Messages that were handed over and are not settled: they need the channel. */
  out: number;
  alarms: number;
  /** Ends its alarms without ending the channel. */
  hush: AbortController;
  /** A message was settled. */
  readonly settled: () => void;
}

export interface Rung {
  readonly message: ConsumeMessage;
  readonly one: AlarmChannel;
}

/** While nothing may ring, a queue is asked after this often, ms for each queue that waits: so many cost the broker the same. */
const lookMs = 10;
const leastLookMs = 1000;

/** Thrown when: an alarm ended by no fault of its queue. Ask after the queue and wait again. */
export class AlarmLost extends Error {
  override readonly name = 'AlarmLost';
}

/**
 * Alarms of many queues on few channels. A queue that is deleted cancels its consumer and leaves the channel; only a consumer on
 * a queue that is not there closes it. So the caller asks first whether the queue is there, and a channel that holds a message
 * takes no new alarm: nothing that is held can be lost to a queue that goes in between.
 *
 * An alarm rings by handing over a message. When there is no room for it and others are about to ring, as when work comes to
 * a thousand empty queues at once, all of them are put out: `rest` takes their place, and queues are asked after now and then.
 */
export const createAlarms = (openChannel: (live: LiveConnection) => Promise<WorkChannel>) => {
  let channels: AlarmChannel[] = [];
  let opening: Promise<unknown> | undefined;
  /** While nothing may ring: aborts when it may again. */
  let quiet: AbortController | undefined;
  let resting = 0;

  const drop = (one: AlarmChannel) => {
    channels = channels.filter(other => other !== one);
  };

  const closeIfUnused = (one: AlarmChannel) => {
    if (one.alarms > 0 || one.out > 0 || one.ended.aborted) return;
    // One is kept for the next.
    if (!channels.some(other => other !== one && other.live === one.live && other.out === 0)) return;
    drop(one);
    void closeWorkChannel(one);
  };

  const open = async (live: LiveConnection): Promise<void> => {
    const opened = await openChannel(live);
    const one: AlarmChannel = {
      ...opened,
      out: 0,
      alarms: 0,
      hush: new AbortController(),
      settled: () => {
        one.out -= 1;
        closeIfUnused(one);
      },
    };
    // Each alarm that waits listens.
    opened.channel.setMaxListeners(0);
    channels.push(one);
  };

  const seat = async (live: LiveConnection): Promise<AlarmChannel> => {
    for (;;) {
      channels = channels.filter(one => !one.ended.aborted);
      const free = channels.find(one => one.live === live && one.out === 0 && one.alarms < alarmsPerChannel);
      if (free) {
        free.alarms += 1;
        return free;
      }
      // A thousand that come at once open as many channels as they need, one after the other.
      await (opening ??= open(live).finally(() => {
        opening = undefined;
      }));
    }
  };

  /** End all alarms. A channel that holds nothing goes as a whole, with what is on its way to it. */
  const putOut = () => {
    const all = channels;
    channels = channels.filter(one => one.out > 0);
    for (const one of all) {
      const { hush } = one;
      one.hush = new AbortController();
      hush.abort(new AlarmLost('there is no room for what it would ring for'));
      if (one.out === 0) void closeWorkChannel(one);
    }
  };

  return {
    get isQuiet() {
      return quiet !== undefined;
    },
    /** Let nothing ring until then. */
    quiet: (until: Promise<void>): void => {
      if (quiet) return;
      const over = (quiet = new AbortController());
      void until.finally(() => {
        quiet = undefined;
        over.abort(notNeeded);
      });
      putOut();
    },
    /** In place of an alarm while nothing may ring: resolves when it may again, or when the queue's turn to be asked after comes. */
    rest: async (signal: AbortSignal): Promise<void> => {
      resting += 1;
      try {
        const everyMs = Math.max(leastLookMs, resting * lookMs);
        const ends = quiet ? AbortSignal.any([signal, quiet.signal]) : signal;
        await sleep(everyMs * (0.5 + Math.random()), ends).catch(() => undefined);
        signal.throwIfAborted();
      } finally {
        resting -= 1;
      }
    },
    /**
     * Wait for a message of a queue that is there. Undefined where the broker cancels the consumer: the queue was deleted.
     * Errors: AlarmLost, the signal's reason.
     */
    wait: async (live: LiveConnection, queue: string, signal: AbortSignal): Promise<Rung | undefined> => {
      const one = await seat(live);
      try {
        const { channel, inTurn, leased, ended } = one;
        const hush = one.hush.signal;
        const consumer = { queue, arguments: leased ? {} : patienceArguments(live.model) };
        const message = await alarm({ channel, inTurn, ...consumer, giveBack: giveBackOn(one), ended, hush, signal });
        if (message === undefined) return undefined;
        one.out += 1;
        return { message, one };
      } catch (error) {
        signal.throwIfAborted();
        if (one.ended.aborted) throw new AlarmLost('the channel of an alarm ended', { cause: error });
        throw error;
      } finally {
        one.alarms -= 1;
        closeIfUnused(one);
      }
    },
  };
};
export type Alarms = ReturnType<typeof createAlarms>;
