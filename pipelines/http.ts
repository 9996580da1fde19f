import type { Answer, Route } from '../lib/http/server.ts';
import type { Scale } from './scale.ts';
import { whyText, type Why } from './why.ts';

/** What a running runner can be asked. */
export interface Asked {
  why(queue: string): readonly Why[];
  /** Why it is not ready, each reason in words; none: it is. */
  notReady(): readonly string[];
  /** Errors: what a broker says. */
  scale(signal: AbortSignal): Promise<Scale>;
  /** Its metrics in Prometheus's text format. */
  metrics(): string;
  /** What an experiment prints, from its beginning on as it comes; undefined: it does not run here. */
  tail(experiment: string): AsyncIterable<Uint8Array> | undefined;
  /** Stop an experiment as its user would; false: it does not run here. */
  cancel(experiment: string): boolean;
}

const scaleLimitMs = 8000;
const prometheusText = 'text/plain; version=0.0.4; charset=utf-8';

const said = (status: number, text: string): Answer => ({
  status,
  json: status < 400 ? { text } : { error: text },
  text,
});
/** Who scales clusters asks for no type, and takes JSON. */
const json = (value: unknown, status = 200): Answer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});
const notHere = (experiment: string): Answer =>
  said(404, `no such experiment runs here: it waits, or runs on another runner, or is over [experiment=${experiment}]`);

/** The routes of a runner's HTTP address. `runner` is undefined until it takes work. */
export const routesOf = (runner: () => Asked | undefined): readonly Route[] => {
  const started =
    (answer: (asked: Asked, params: Readonly<Record<string, string>>) => Answer | Promise<Answer>): Route['answer'] =>
    params => {
      const asked = runner();
      return asked ? answer(asked, params) : said(503, 'the runner starts');
    };
  const scale = (one: (all: Scale, params: Readonly<Record<string, string>>) => Answer): Route['answer'] =>
    started(async (asked, params) => one(await asked.scale(AbortSignal.timeout(scaleLimitMs)), params));

  return [
    { method: 'GET', path: '/healthz', open: true, answer: () => said(200, 'alive') },
    {
      method: 'GET',
      path: '/readyz',
      open: true,
      answer: started(asked => {
        const reasons = asked.notReady();
        if (reasons.length === 0) return said(200, 'ready');
        return { status: 503, json: { reasons }, text: reasons.join('\n') };
      }),
    },
    {
      method: 'GET',
      path: '/metrics',
      open: true,
      answer: started(asked => ({ type: prometheusText, body: asked.metrics() })),
    },
    { method: 'GET', path: '/scale', open: true, answer: scale(all => json(all)) },
    {
      method: 'GET',
      path: '/scale/:queue',
      open: true,
      answer: scale(({ queues }, { queue }) => {
        const found = queues.filter(({ name }) => name === queue);
        const [first = { kind: null, name: queue, waiting: 0, leased: 0, running: 0, total: 0 }] = found;
        return json(first, found.length > 0 ? 200 : 404);
      }),
    },
    {
      method: 'GET',
      path: '/why/:queue',
      answer: started((asked, { queue = '' }) => {
        const found = asked.why(queue);
        if (found.length > 0) return { json: found, text: found.map(whyText).join('\n') };
        return said(
          404,
          `this runner knows no such queue: it is not there, or QUEUE_MATCH and QUEUE_MISMATCH leave it out [queue=${queue}]`,
        );
      }),
    },
    {
      method: 'GET',
      path: '/tail/:experiment',
      guarded: true,
      answer: started((asked, { experiment = '' }) => {
        const body = asked.tail(experiment);
        return body ? { type: 'text/plain; charset=utf-8', body } : notHere(experiment);
      }),
    },
    {
      method: 'POST',
      path: '/cancel/:experiment',
      guarded: true,
      answer: started((asked, { experiment = '' }) =>
        asked.cancel(experiment) ? said(202, `it is being stopped [experiment=${experiment}]`) : notHere(experiment),
      ),
    },
  ];
};
