import type { Delivery } from '../../lib/model/delivery.ts';
import type { QueueBroker } from '../../lib/queues/queue.ts';

/** A broker whose deliveries are counted while they are neither admitted nor settled. */
export interface CountingBroker extends QueueBroker {
  readonly held: () => number;
  readonly mostHeld: () => number;
}

export const countingBroker = (broker: QueueBroker): CountingBroker => {
  let held = 0;
  let most = 0;
  const count = (delivery: Delivery | undefined): Delivery | undefined => {
    if (!delivery) return undefined;
    held += 1;
    // What goes back at once was never held.
    setImmediate(() => {
      most = Math.max(most, held);
    });
    let counted = true;
    const done = () => {
      if (counted) held -= 1;
      counted = false;
    };
    return {
      ...delivery,
      begin: (attempt, key, rival) => {
        done();
        return delivery.begin(attempt, key, rival);
      },
      settle: settlement => {
        done();
        return delivery.settle(settlement);
      },
    };
  };
  return {
    kind: broker.kind,
    discover: () => broker.discover(),
    close: () => broker.close(),
    open: name => {
      const queue = broker.open(name);
      return {
        ...queue,
        receive: async signal => count(await queue.receive(signal)),
        wait: async signal => count(await queue.wait(signal)),
      };
    },
    held: () => held,
    mostHeld: () => most,
  };
};
