import { readFileSync } from 'node:fs';
import t from 'tap';
import { eventsMarkdown } from '../../lib/telemetry/describe-events.ts';
import { metricsMarkdown } from '../../lib/telemetry/metrics/describe.ts';

const written = (file: string) => readFileSync(new URL(`../../docs/${file}`, import.meta.url), 'utf8');

t.test('docs/events.md and docs/metrics.md are the tables as they stand', async t => {
  t.equal(written('events.md'), eventsMarkdown(), 'npm run tables renews it');
  t.equal(written('metrics.md'), metricsMarkdown(), 'npm run tables renews it');
});
