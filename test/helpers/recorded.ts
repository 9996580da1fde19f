import { readFileSync } from 'node:fs';
import type { Request } from '../../lib/model/experiment.ts';
import { readMessage } from '../../lib/request/envelope.ts';
import { parseRequest } from '../../lib/request/parse-request.ts';

/** Requests of the real client in clear text. */
export const clearMessages = ['local_demo', 'rmq_clear', 'rmq_gpu', 'sqs_clear'] as const;

/** The bytes of a file under fixtures/. */
export const fixture = (path: string): Buffer => readFileSync(new URL(`../../fixtures/${path}`, import.meta.url));

/** The bytes of a recorded message: `rmq_clear`. */
export const recorded = (name: string): Buffer => fixture(`messages/${name}.json`);

/** Both steps on one body: read, then check. */
export const parseBody = (body: Buffer): Request => {
  const message = readMessage(body);
  if (message.type === 'envelope') throw new Error('sealed');
  return parseRequest(message.value);
};
