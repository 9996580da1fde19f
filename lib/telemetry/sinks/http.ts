import type { LineWriter, LineWriterOptions } from '../line-writer.ts';
import { createSender, RefusedBatch } from './sender.ts';

const timeoutMs = 10_000;
/** Answers that say: later. */
const tryAgain = new Set([408, 425, 429]);

/**
 * Lines to an HTTP server, in batches of NDJSON. A batch was taken when the server said so; one that it refuses for good (400 and the
 * like) is dropped.
 * @param url user and password in it become a header
 */
export const createHttpWriter = (url: string, options: LineWriterOptions): LineWriter => {
  const target = new URL(url);
  const { username, password } = target;
  target.username = target.password = '';
  const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  const headers = {
    'content-type': 'application/x-ndjson',
    ...(username === '' ? {} : { authorization: `Basic ${login}` }),
  };
  return createSender(
    {
      send: async (lines, signal) => {
        const response = await fetch(target, {
          method: 'POST',
          headers,
          body: lines.join(''),
          signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
        });
        await response.body?.cancel();
        if (response.ok) return;
        const said = `it answers ${String(response.status)} ${response.statusText}`;
        throw response.status < 500 && !tryAgain.has(response.status) ? new RefusedBatch(said) : new Error(said);
      },
    },
    { ...options, batchBytes: 256 * 1024, lingerMs: 200 },
  );
};
