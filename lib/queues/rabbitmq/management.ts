import http from 'node:http';
import https from 'node:https';

/** Time without an answer, ms. */
const patienceMs = 10_000;
const settings = { keepAlive: true, timeout: patienceMs } as const;
const transports = {
  http: { request: http.request, agent: new http.Agent(settings) },
  https: { request: https.request, agent: new https.Agent(settings) },
};

interface Answer {
  readonly status: number;
  readonly statusText: string;
  readonly body: Buffer;
}

/** By node:http, for it is done all the time: fetch takes several times the processor for each call. */
const get = (url: URL, headers: http.OutgoingHttpHeaders, signal: AbortSignal): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { request, agent } = transports[url.protocol === 'https:' ? 'https' : 'http'];
    const asked = request(url, { agent, headers, signal, timeout: patienceMs }, answer => {
      const { statusCode: status = 0, statusMessage: statusText = '' } = answer;
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        resolve({ status, statusText, body: Buffer.concat(chunks) });
      });
    });
    asked.on('timeout', () => {
      asked.destroy(new Error(`no answer within ${String(patienceMs / 1000)} s`));
    });
    asked.on('error', (error: NodeJS.ErrnoException) => {
      // The other side had let go of a connection that was kept.
      if (asked.reusedSocket && error.code === 'ECONNRESET' && !signal.aborted) resolve(get(url, headers, signal));
      else reject(error);
    });
    asked.end();
  });

/** What a look at the management API gives: the body as it came; undefined for 404. */
export const fetchManagement = async (
  managementUrl: string,
  path: string,
  signal: AbortSignal,
): Promise<Buffer | undefined> => {
  const url = new URL(path, managementUrl);
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  const headers = {
    authorization: `Basic ${Buffer.from(login).toString('base64')}`,
    // Packing and unpacking a long list costs both sides more than carrying it.
    'accept-encoding': 'identity',
  };
  const { status, statusText, body } = await get(url, headers, signal);
  if (status === 404) return undefined;
  if (status >= 200 && status < 300) return body;
  throw new Error(`the management API answered ${String(status)} ${statusText} [host=${url.host}]`);
};

/** A GET of the management API; undefined for 404. Its URL's user and password go into the header. */
export const ask = async (managementUrl: string, path: string, signal: AbortSignal): Promise<unknown> => {
  const body = await fetchManagement(managementUrl, path, signal);
  return body === undefined ? undefined : JSON.parse(body.toString());
};
