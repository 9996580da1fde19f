import type { LiveConnection } from './connection.ts';
import { closeWorkChannel, type WorkChannel } from './work-channel.ts';

/** Channels that no queue needs at present, for the next that does. */
export interface SpareChannels<C extends WorkChannel> {
  take(live: LiveConnection): C | undefined;
  park(one: C): void;
}

/** @param most channels kept; others are closed */
export const createSpareChannels = <C extends WorkChannel>(most = 16): SpareChannels<C> => {
  let spare: C[] = [];
  return {
    take: live => {
      spare = spare.filter(one => !one.ended.aborted);
      const index = spare.findIndex(one => one.live === live);
      return index < 0 ? undefined : spare.splice(index, 1)[0];
    },
    park: one => {
      if (one.ended.aborted) return;
      if (spare.length < most) spare.push(one);
      else void closeWorkChannel(one);
    },
  };
};
