import { writeFile } from 'node:fs/promises';
import { eventsMarkdown } from '../lib/telemetry/describe-events.ts';
import { metricsMarkdown } from '../lib/telemetry/metrics/describe.ts';

const docs = new URL('../docs/', import.meta.url);
await writeFile(new URL('events.md', docs), eventsMarkdown());
await writeFile(new URL('metrics.md', docs), metricsMarkdown());
