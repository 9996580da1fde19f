import type { IncomingMessage } from 'node:http';
import { encodedKey, encoded, endpointOf } from './endpoint.ts';
import type { S3Endpoint } from './endpoint.ts';
import { broken, refusal } from './errors.ts';
import { exchange } from './exchange.ts';
import type { ExchangeTimes } from './exchange.ts';
import { readText } from './body.ts';
import { createSign } from './sign.ts';
import type { S3Credentials } from './sign.ts';
import { textOf } from './xml.ts';

/** One call of the S3 API on a bucket. */
export interface S3Call {
  /** For messages: `get`, `put` … */
  readonly operation: string;
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Absent: the bucket itself. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  readonly signal: AbortSignal | undefined;
  /** Doing it twice is the same as doing it once. */
  readonly repeatable: boolean;
}

export interface S3ClientOptions {
  /** `http(s)://host[:port]`; absent: AWS itself. */
  readonly endpoint?: string | undefined;
  readonly region: string;
  readonly bucket: string;
  readonly credentials: S3Credentials;
  readonly times: ExchangeTimes;
  /** The store's name, for messages. */
  readonly name: string;
}

/** Sends calls. */
export interface S3Client {
  /** The reply, its body unread. Errors: StoreError; the signal's reason. */
  send(call: S3Call): Promise<IncomingMessage>;
  /** The same, with the reply's text. */
  text(call: S3Call): Promise<{ readonly response: IncomingMessage; readonly text: string }>;
}

/** How often a call goes to another region or over another connection before it is given up. */
const maxDetours = 4;

/** A client of one bucket. It follows the bucket to the region it is in, and remembers that. */
export const createS3Client = (options: S3ClientOptions): S3Client => {
  const { bucket, name, times } = options;
  const sign = createSign(options.credentials);
  let region = options.region;
  let endpoint = endpointOf(options.endpoint, region, bucket);

  const once = async (call: S3Call, to: S3Endpoint): Promise<IncomingMessage> => {
    const query = call.query ?? {};
    const path = call.key === undefined ? to.root.replace(/(.)\/$/, '$1') : to.root + encodedKey(call.key);
    const headers = {
      host: to.host,
      ...call.headers,
      ...(call.body ? { 'content-length': String(call.body.length) } : {}),
    };
    const signed = await sign({ method: call.method, path, query, headers, body: call.body }, region);
    const search = Object.entries(query).map(([field, value]) => `${encoded(field)}=${encoded(value)}`);
    return exchange(
      {
        endpoint: to,
        method: call.method,
        path: search.length === 0 ? path : `${path}?${search.join('&')}`,
        headers: signed,
        body: call.body,
        signal: call.signal,
      },
      times,
    );
  };

  /** Where a refused call should have gone; undefined: nowhere else. */
  const elsewhere = (response: IncomingMessage, text: string): S3Endpoint | undefined => {
    const status = response.statusCode ?? 0;
    if (status !== 301 && status !== 307 && textOf(text, 'Code') !== 'AuthorizationHeaderMalformed') return undefined;
    const right = [response.headers['x-amz-bucket-region']].flat()[0] ?? textOf(text, 'Region');
    if (right !== undefined && right !== region && /^[a-z0-9-]+$/.test(right)) {
      region = right;
      endpoint = endpointOf(options.endpoint, region, bucket);
      return endpoint;
    }
    // A bucket that is younger than AWS's names for it: this one call goes to the host that the reply names.
    const location = options.endpoint === undefined && status === 307 ? response.headers.location : undefined;
    if (location === undefined || !URL.canParse(location)) return undefined;
    const { host, hostname, protocol } = new URL(location);
    return protocol === 'https:' && hostname.endsWith('.amazonaws.com') ? { ...endpoint, host, hostname } : undefined;
  };

  const send = async (call: S3Call): Promise<IncomingMessage> => {
    const where = { store: name, key: call.key };
    let to = endpoint;
    for (let detours = 0; ; detours++) {
      try {
        const response = await once(call, to);
        if ((response.statusCode ?? 0) < 300) return response;
        const text = await readText(response);
        const next = detours < maxDetours ? elsewhere(response, text) : undefined;
        if (next === undefined) throw refusal(call.operation, response.statusCode ?? 0, text, where);
        to = next;
      } catch (error) {
        call.signal?.throwIfAborted();
        const stale = (error as { reusedSocket?: boolean }).reusedSocket === true;
        if (!stale || !call.repeatable || detours >= maxDetours) throw broken(call.operation, error, where);
      }
    }
  };

  return {
    send,
    text: async call => {
      const response = await send(call);
      try {
        return { response, text: await readText(response) };
      } catch (error) {
        call.signal?.throwIfAborted();
        throw broken(call.operation, error, { store: name, key: call.key });
      }
    },
  };
};
