import http from 'node:http';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import { StoreError } from '../../errors.ts';

export interface Question {
  readonly url: URL;
  readonly headers: OutgoingHttpHeaders;
  /** `Authorization`, for the host of `url` only. */
  readonly authorization: string | undefined;
  /** Time without any data, ms. */
  readonly idleMs: number;
  readonly signal: AbortSignal | undefined;
}

const maxRedirects = 10;
const redirects = new Set([301, 302, 303, 307, 308]);

const askOnce = ({ url, headers, authorization, idleMs, signal }: Question): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const { get } = url.protocol === 'https:' ? https : http;
    const request = get(
      url,
      {
        headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
        timeout: idleMs,
        ...(signal ? { signal } : {}),
      },
      resolve,
    );
    request.on('timeout', () => request.destroy(new Error(`no data for ${String(idleMs)} ms`)));
    request.on('error', reject);
  });

const targetOf = (location: string, from: URL): URL => {
  const url = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new StoreError('invalid', 'get failed: it is sent to what is no http(s):// address');
};

/**
 * GET, following redirects. Whose password it is stays with the host that it was given for: another one, or the same without TLS, is
 * asked without.
 * Errors: those of the connection; StoreError `invalid` where a redirect leads nowhere, or they do not end; the signal's reason.
 */
export const ask = async (question: Question): Promise<IncomingMessage> => {
  let { url, authorization } = question;
  for (let count = 0; count <= maxRedirects; count++) {
    const reply = await askOnce({ ...question, url, authorization });
    const { statusCode = 0, headers } = reply;
    if (!redirects.has(statusCode) || headers.location === undefined) return reply;
    reply.resume();
    const next = targetOf(headers.location, url);
    if (next.origin !== url.origin) authorization = undefined;
    url = next;
  }
  throw new StoreError('invalid', `get failed: more than ${maxRedirects} redirects`);
};
