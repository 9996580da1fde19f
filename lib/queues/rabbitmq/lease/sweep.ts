import { sleep } from '../../../flow/wait.ts';
import { onConnection } from '../channels.ts';
import type { Connection } from '../connection.ts';
import { ask } from '../management.ts';
import { deleteLeaseQueues, runnerOf } from './topology.ts';

export interface SweepSettings {
  readonly connection: Connection;
  readonly managementUrl: string;
  readonly vhost: string;
  /** This runner, whose queues stay. */
  readonly runner: string;
  /** Between two looks, ms. */
  readonly everyMs: number;
}

interface QueueState {
  readonly name: string;
  readonly consumers?: number;
  readonly messages?: number;
}

/** Runners whose lease queues are there, without a consumer and without a message. */
const findIdle = async ({ managementUrl, vhost, runner }: SweepSettings, signal: AbortSignal): Promise<Set<string>> => {
  const idle = new Set<string>();
  const query = `name=${encodeURIComponent('^studioml\\.lease\\.')}&use_regex=true&page_size=100`;
  for (let page = 1, pages = 1; page <= pages; page++) {
    const path = `/api/queues/${encodeURIComponent(vhost)}?${query}&page=${String(page)}`;
    const answer = (await ask(managementUrl, path, signal)) as
      { readonly items?: readonly QueueState[]; readonly page_count?: number } | undefined;
    pages = answer?.page_count ?? 1;
    for (const { name, consumers, messages } of answer?.items ?? []) {
      const owner = runnerOf(name);
      if (owner !== undefined && owner !== runner && consumers === 0 && messages === 0) idle.add(owner);
    }
  }
  return idle;
};

/**
 * Delete the lease queues that dead runners left, once what was in them went home: those that were found idle at two looks in a
 * row. The broker deletes none that is in use or holds something. Returns how to stop.
 */
export const sweepLeaseQueues = (settings: SweepSettings): (() => void) => {
  const controller = new AbortController();
  const { signal } = controller;
  const loop = async () => {
    let before: ReadonlySet<string> = new Set();
    for (;;) {
      await sleep(settings.everyMs, signal);
      // A look that fails is made again; discovery tells of a management API that does not answer.
      const idle: ReadonlySet<string> = await findIdle(settings, signal).catch(() => new Set<string>());
      for (const runner of idle) {
        if (!before.has(runner)) continue;
        await onConnection(settings.connection, signal, live => deleteLeaseQueues(live.model, runner)).catch(
          () => undefined,
        );
      }
      before = idle;
    }
  };
  loop().catch(() => undefined);
  return () => {
    controller.abort(new Error('the runner lets go of the broker'));
  };
};
