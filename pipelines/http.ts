import type { Route } from '../lib/http/server.ts';
import { whyText, type Why } from './why.ts';

/** What a running runner can be asked. */
export interface Asked {
  why(queue: string): readonly Why[];
}

/** The routes of a runner's HTTP address. `runner` is undefined until it takes work. */
export const routesOf = (runner: () => Asked | undefined): readonly Route[] => [
  {
    method: 'GET',
    path: '/why/:queue',
    answer: ({ queue = '' }) => {
      const asked = runner();
      if (!asked) return { status: 503, json: { error: 'the runner starts' }, text: 'the runner starts' };
      const found = asked.why(queue);
      if (found.length > 0) return { json: found, text: found.map(whyText).join('\n') };
      const error = `this runner knows no such queue: it is not there, or QUEUE_MATCH and QUEUE_MISMATCH leave it out [queue=${queue}]`;
      return { status: 404, json: { error }, text: error };
    },
  },
];
