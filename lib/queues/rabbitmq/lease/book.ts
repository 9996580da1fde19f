import type { Channel, ConsumeMessage, Message } from 'amqplib';
import { headerNames, originalExpiration, originalHeaders } from '../message.ts';
import type { LeaseEntry } from './entry.ts';
import { publishHome, publishLease, type LeaseSession } from './session.ts';

/** How amqplib is told which delivery is meant. */
const deliveryOf = (tag: number): Message => ({ fields: { deliveryTag: tag } }) as Message;
export const ackTag = (channel: Channel, tag: number): void => {
  channel.ack(deliveryOf(tag));
};

/**
 * The copies that this session holds now. To be asked in the turn that uses them: meanwhile one may be settled, and what is
 * acknowledged twice ends the channel.
 */
const copiesOn = (session: LeaseSession, entries: readonly LeaseEntry[]) =>
  entries.flatMap(entry => (entry.copy?.session === session ? [{ entry, tag: entry.copy.tag }] : []));

/** The leases of one runner, and what becomes of the copies that come in. A failure of a session ends it, and is heard there. */
export class LeaseBook {
  readonly #entries = new Map<string, LeaseEntry>();

  get entries(): LeaseEntry[] {
    return [...this.#entries.values()];
  }

  add(entry: LeaseEntry): void {
    this.#entries.set(entry.parts.id, entry);
  }

  /** Its copy, if there is one yet, goes home as it is. */
  forget(entry: LeaseEntry): void {
    this.#entries.delete(entry.parts.id);
    const { copy } = entry;
    entry.copy = undefined;
    if (!copy || copy.session.ended.aborted) return;
    const { body: content, properties, queue, headers } = entry.parts;
    const counted = entry.state === 'withdrawn' ? properties.headers : headers;
    this.#sendHome(copy.session, copy.tag, queue, { content, properties: { ...properties, headers: counted } });
  }

  /** A copy came in. */
  arrive(message: ConsumeMessage, session: LeaseSession, late: boolean): void {
    const { fields, properties } = message;
    const headers = properties.headers ?? {};
    const entry = this.#entries.get(String(headers[headerNames.leaseId]));
    const turn = Number(headers[headerNames.leaseTurn]);
    if (!entry) {
      this.#sendHome(session, fields.deliveryTag, fields.routingKey, message);
      return;
    }
    const known = entry.copy?.session === session ? entry.copy : undefined;
    if (known && turn <= entry.turn) {
      // The broker was killed between the two halves of a renewal: the older copy is one too many.
      this.#drop(session, fields.deliveryTag);
      return;
    }
    if (known) this.#drop(session, known.tag);
    entry.copy = { session, tag: fields.deliveryTag };
    entry.seenIn = session;
    entry.turn = turn;
    if (entry.state === 'withdrawn') {
      this.forget(entry);
      return;
    }
    entry.tell();
    if (late) void this.renew(session, [entry]);
  }

  /** Put a fresh copy in the place of each that we hold: its time to live begins anew, and so does the broker's patience. */
  async renew(session: LeaseSession, entries: readonly LeaseEntry[] = this.entries): Promise<void> {
    if (!entries.some(({ copy }) => copy?.session === session)) return;
    const renewed: LeaseEntry[] = [];
    await session
      .transact(channel => {
        for (const { entry, tag } of copiesOn(session, entries)) {
          entry.copy = undefined;
          entry.turn += 1;
          publishLease(channel, entry);
          ackTag(channel, tag);
          renewed.push(entry);
        }
      })
      .then(
        () => {
          for (const entry of renewed) entry.renewedAtMs = performance.now();
        },
        () => undefined,
      );
  }

  /** Publish those anew whose copy no queue holds any more. */
  async replace(session: LeaseSession): Promise<void> {
    const missing = this.entries.filter(entry => entry.missing && entry.state !== 'lost');
    if (missing.length === 0) return;
    await session.transact(channel => {
      for (const entry of missing) {
        entry.turn += 1;
        publishLease(channel, entry);
      }
    });
    for (const entry of missing) entry.missing = false;
  }

  /** No more copies are to be expected that lay in the queues when this session began. */
  reconcile(session: LeaseSession): void {
    for (const entry of this.entries) {
      if (entry.seenIn === session) continue;
      if (entry.state === 'withdrawn') this.#entries.delete(entry.parts.id);
      else if (entry.uncertain) entry.close();
      else if (entry.state === 'held') entry.lose('its lease was over before the broker was heard of again');
    }
  }

  /** Send home, counted, whatever is held. */
  async returnAll(session: LeaseSession): Promise<void> {
    if (!this.entries.some(({ copy }) => copy?.session === session)) return;
    await session.transact(channel => {
      for (const { entry, tag } of copiesOn(session, this.entries)) {
        const { body: content, properties, queue, headers } = entry.parts;
        const counted = { ...properties, headers };
        publishHome(channel, queue, { content, properties }, originalHeaders(headers), originalExpiration(counted));
        ackTag(channel, tag);
        entry.copy = undefined;
      }
    });
  }

  #drop(session: LeaseSession, tag: number): void {
    void session.transact(channel => ackTag(channel, tag)).catch(() => undefined);
  }

  #sendHome(
    session: LeaseSession,
    tag: number,
    queue: string,
    message: Pick<ConsumeMessage, 'content' | 'properties'>,
  ): void {
    const { headers } = message.properties;
    void session
      .transact(channel => {
        publishHome(channel, queue, message, originalHeaders(headers), originalExpiration(message.properties));
        ackTag(channel, tag);
      })
      .catch(() => undefined);
  }
}
