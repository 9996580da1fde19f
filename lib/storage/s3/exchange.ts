import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import type { S3Client } from '@aws-sdk/client-s3';
import type { HttpRequest, HttpResponse } from '@smithy/core/protocols';
import { addressOf } from './address.ts';
import type * as Sdk from './sdk.ts';
import { elementOf } from './xml.ts';

/** What is asked of one object, or with an empty key of its bucket. */
export interface ObjectRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  readonly Bucket: string;
  readonly Key: string;
  readonly query?: Readonly<Record<string, string>>;
  /** By names in lower case; those that are undefined are left out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: Buffer;
}

export interface ObjectReply {
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Of a GET: it must be consumed or destroyed. */
  readonly body: IncomingMessage;
}

/** As RFC 3986 has it, `/` kept. */
const encodeKey = (key: string): string =>
  encodeURIComponent(key)
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, one => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);

const empty = Buffer.alloc(0);

/** A request as it goes out, signed where the client has credentials. Errors: the SDK's. */
export const signRequest = async (sdk: typeof Sdk, client: S3Client, asked: ObjectRequest): Promise<HttpRequest> => {
  const { method, Bucket, Key, query = {}, body, headers = {} } = asked;
  const { protocol, hostname, port, host, prefix, signing } = await addressOf(sdk, client, Bucket);
  const all: Record<string, string> = {
    host,
    // Part of the signature: a server finds by it what was damaged on the way.
    'x-amz-content-sha256': hash('sha256', body ?? empty),
    ...(body ? { 'content-length': String(body.length) } : {}),
  };
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) all[name] = value;
  const request = {
    method,
    protocol,
    hostname,
    path: prefix + encodeKey(Key),
    query,
    headers: all,
    body,
    ...(port === undefined ? {} : { port }),
  };
  const { signer, systemClockOffset } = client.config;
  const signingDate = new Date(Date.now() + systemClockOffset);
  return (await (await signer()).sign(new sdk.HttpRequest(request), { ...signing, signingDate })) as HttpRequest;
};

/** A reply that is a refusal, as the SDK throws it. Source: S3 API reference, "Error responses". */
const refused = (statusCode: number, headers: ObjectReply['headers'], said: string): Error =>
  Object.assign(new Error(elementOf(said, 'Message') ?? ''), {
    name: elementOf(said, 'Code') ?? '',
    Region: elementOf(said, 'Region'),
    $response: { statusCode, headers },
  });

/** Servers allow a quarter of an hour. */
const skewMs = 300_000;

/** Sign by the clock of a server that finds ours wrong, from the next request on, as the SDK does; the bucket sends the refused one again. A cache's reply is older than its date. */
const followClock = ({ config }: S3Client, { date = '', age }: ObjectReply['headers']): void => {
  const offsetMs = Date.parse(date) - Date.now();
  if (age === undefined && Math.abs(offsetMs - config.systemClockOffset) >= skewMs) config.systemClockOffset = offsetMs;
};

/**
 * Send a request for an object past the SDK's steps, which take more of a processor than the request itself (docs/dependencies.md): its
 * signer, its credentials and its connections are used all the same.
 * Errors: as `client.send` has them.
 */
export const exchange = async (
  sdk: typeof Sdk,
  client: S3Client,
  asked: ObjectRequest,
  options: { readonly abortSignal?: AbortSignal },
): Promise<ObjectReply> => {
  const signed = await signRequest(sdk, client, asked);
  const { response } = (await client.config.requestHandler.handle(signed, options)) as { response: HttpResponse };
  const { statusCode, headers } = response;
  const reply = { headers, body: response.body as IncomingMessage };
  if (asked.method === 'GET' && statusCode < 300) return reply;
  // To its end, so that the next request finds the connection free.
  const said = await text(reply.body);
  if (statusCode >= 300) {
    followClock(client, headers);
    throw refused(statusCode, headers, said);
  }
  // What fails after the head was sent.
  if (said.endsWith('</Error>')) throw refused(503, headers, said);
  return reply;
};
