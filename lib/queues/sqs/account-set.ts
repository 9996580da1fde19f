import { messageOf } from '../../errors.ts';
import type { Emit } from '../../telemetry/events.ts';
import { createSqsAccount, type SqsAccount } from './account.ts';
import type { Accounts } from './credentials.ts';
import { listQueues, type Listed } from './discovery.ts';
import { createSightings } from '../looks.ts';
import { createLeaseQueue, type LeaseQueue } from './lease-queue.ts';
import { createReaper } from './reaper.ts';

export interface AccountSetSettings {
  /** Read which accounts there are. */
  readonly read: () => Promise<Accounts>;
  readonly timeoutMs: number;
  readonly visibilityMs: number;
  readonly leaseMs: number;
  /** Between two looks, ms. One that is asked for in between takes no queue away. */
  readonly discoveryMs: number;
  readonly host: string;
  readonly runnerId: string;
  readonly emit: Emit;
  readonly now: () => number;
}

/** An account that is served, with what it needs. */
export interface Served {
  readonly account: SqsAccount;
  readonly leases: LeaseQueue;
  /** As the last looks saw it: a queue is gone when two looks in a row miss it. */
  readonly queues: ReadonlyMap<string, string>;
  /** Lease queues of all runners, by name. */
  readonly leaseQueues: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

interface Member extends Served {
  version: string;
  leaseQueues: ReadonlyMap<string, string>;
  fault: string;
  readonly take: (listed: Listed) => void;
}

export interface AccountSet {
  /** Read the accounts and list their queues. Whether anything was learnt. Faults are told as events. */
  look(signal: AbortSignal): Promise<boolean>;
  get(label: string): Served | undefined;
  members(): readonly Served[];
}

/** Accounts as they come and go. One that goes keeps its client: what is out is settled with it. */
export const createAccountSet = (settings: AccountSetSettings): AccountSet => {
  const { read, timeoutMs, visibilityMs, leaseMs, discoveryMs, host, runnerId, emit, now } = settings;
  const members = new Map<string, Member>();
  let said = '';

  const tell = (words: string) => {
    if (words !== '' && words !== said) emit('discovery-failed', { kind: 'sqs', error: words });
    said = words;
  };

  const join = (found: Accounts['accounts'][number]): Member => {
    const { label, version } = found;
    const account = createSqsAccount({ label, client: found.createClient(), timeoutMs, emit });
    const leases = createLeaseQueue({ account, runnerId, host, visibilityMs, emit, now });
    const sightings = createSightings<string>(discoveryMs, now);
    const member: Member = {
      account,
      leases,
      version,
      get queues() {
        return sightings.all;
      },
      take: listed => {
        sightings.take(listed.work);
        member.leaseQueues = listed.leases;
      },
      leaseQueues: new Map(),
      fault: '',
      close: async () => {
        await reaper.close();
        await leases.close();
        account.close();
      },
    };
    const reaper = createReaper({ account, queues: () => member.leaseQueues, own: leases, leaseMs, emit, now });
    return member;
  };

  const readAll = async (): Promise<void> => {
    const { accounts, faults } = await read();
    tell(faults.join('; '));
    const labels = new Set(accounts.map(({ label }) => label));
    for (const found of accounts) {
      const member = members.get(found.label);
      if (!member) members.set(found.label, join(found));
      else if (member.version !== found.version) {
        member.account.use(found.createClient());
        member.version = found.version;
      }
      const served = members.get(found.label);
      if (served) served.account.retired = false;
    }
    for (const [label, { account }] of members) if (!labels.has(label)) account.retired = true;
  };

  const list = async (member: Member, signal: AbortSignal): Promise<boolean> => {
    try {
      member.take(await listQueues(member.account, signal));
      member.fault = '';
      return true;
    } catch (error) {
      signal.throwIfAborted();
      const words = `${messageOf(error)} [account=${member.account.label}]`;
      if (words !== member.fault) emit('discovery-failed', { kind: 'sqs', error: words });
      member.fault = words;
      return false;
    }
  };

  return {
    look: async signal => {
      try {
        await readAll();
      } catch (error) {
        tell(messageOf(error));
      }
      const serving = [...members.values()].filter(({ account }) => !account.retired);
      const learnt = await Promise.all(serving.map(member => list(member, signal)));
      return serving.length === 0 || learnt.some(Boolean);
    },
    get: label => members.get(label),
    members: () => [...members.values()],
  };
};
