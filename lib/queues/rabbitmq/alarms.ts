import type { ConsumeMessage } from 'amqplib';
import { alarm } from './alarm.ts';
import type { LiveConnection } from './connection.ts';
import { patience } from './patience.ts';
import { closeWorkChannel, giveBackOn, type WorkChannel } from './work-channel.ts';

/** Alarms on one channel. A broker allows 2047 channels a connection unless told otherwise, and each costs it processes. */
const alarmsPerChannel = 128;

/** A channel on which queues are waited for, and what it costs to close it. */
export interface AlarmChannel extends WorkChannel {
  /** Messages that were handed over and are not settled: they need the channel. */
  out: number;
  alarms: number;
  /** A message was settled. */
  readonly settled: () => void;
}

export interface Rung {
  readonly message: ConsumeMessage;
  readonly one: AlarmChannel;
}

/** Thrown when: the channel of an alarm ended, by no fault of its queue. Ask after the queue and wait again. */
export class AlarmLost extends Error {
  override readonly name = 'AlarmLost';
}

/**
 * Alarms of many queues on few channels. A queue that is deleted cancels its consumer and leaves the channel; only a consumer on
 * a queue that is not there closes it. So the caller asks first whether the queue is there, and a channel that holds a message
 * takes no new alarm: nothing that is held can be lost to a queue that goes in between.
 */
export const createAlarms = (openChannel: (live: LiveConnection) => Promise<WorkChannel>) => {
  let channels: AlarmChannel[] = [];
  let opening: Promise<unknown> | undefined;

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

  return {
    /**
     * Wait for a message of a queue that is there. Undefined where the broker cancels the consumer: the queue was deleted.
     * Errors: AlarmLost, the signal's reason.
     */
    wait: async (live: LiveConnection, queue: string, signal: AbortSignal): Promise<Rung | undefined> => {
      const one = await seat(live);
      try {
        const { channel, inTurn, leased, ended } = one;
        const consumer = { queue, arguments: leased ? {} : patience(live.model) };
        const message = await alarm({ channel, inTurn, ...consumer, giveBack: giveBackOn(one), ended, signal });
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
