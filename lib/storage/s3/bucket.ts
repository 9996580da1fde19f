import type { S3Client } from '@aws-sdk/client-s3';
import { clientFor, forgetRunnerCredentials, loadSdk } from './clients.ts';
import type { S3ClientOptions } from './clients.ts';
import { exchange, type ObjectReply, type ObjectRequest } from './exchange.ts';
import { isReset, isSkewed, isStale, regionOf, storeErrorOf } from './errors.ts';
import type * as Sdk from './sdk.ts';

/** What is said of a call beside its command. */
export interface S3Call {
  /** For messages: `get`, `put` … */
  readonly operation: string;
  /** For messages; absent: the bucket itself. */
  readonly key?: string;
  readonly signal: AbortSignal | undefined;
  /** Doing it twice is the same as doing it once. */
  readonly repeatable: boolean;
}

/** How a command is sent: `client.send(command, options)`. */
export type Send<T> = (
  sdk: typeof Sdk,
  client: S3Client,
  options: { readonly abortSignal?: AbortSignal },
) => Promise<T>;

/** Calls on one bucket. */
export interface S3Bucket {
  /** Errors: StoreError; the signal's reason. */
  call<T>(call: S3Call, send: Send<T>): Promise<T>;
  /** Ask for an object. Errors: as above. */
  exchange(call: S3Call, request: ObjectRequest): Promise<ObjectReply>;
}

/** How often a call goes to another region or over another connection before it is given up. */
const maxDetours = 4;

/**
 * A bucket, wherever it is: one that is in another region is followed there, and asked there from then on. Where the runner's own
 * credentials are no longer valid its chain is asked for others, once; what was signed by a wrong clock is signed again, once.
 * @param name the store's, for messages
 */
export const createS3Bucket = (options: S3ClientOptions, name: string): S3Bucket => {
  let { region } = options;
  let client: ReturnType<typeof clientFor> | undefined;
  const isOutOfDate = (error: unknown) => options.credentials.type === 'runner' && isStale(error);
  const bucket: S3Bucket = {
    exchange: (call, request) => bucket.call(call, (sdk, client, options) => exchange(sdk, client, request, options)),
    call: async ({ operation, key, signal, repeatable }, send) => {
      const sdk = await loadSdk();
      let isRenewed = false;
      let isTimed = false;
      for (let detours = 0; ; detours++) {
        signal?.throwIfAborted();
        const asked = region;
        const used = (client ??= clientFor({ ...options, region }));
        try {
          return await send(sdk, await used, signal ? { abortSignal: signal } : {});
        } catch (error) {
          signal?.throwIfAborted();
          const right = regionOf(error);
          const renews = !isRenewed && isOutOfDate(error);
          const times = !isTimed && isSkewed(error);
          const again = renews || times || (right === undefined ? repeatable && isReset(error) : right !== asked);
          if (!again || detours >= maxDetours) throw storeErrorOf(operation, error, { store: name, key });
          if (times) isTimed = true;
          if (renews) {
            isRenewed = true;
            forgetRunnerCredentials(used);
            if (client === used) client = undefined;
          }
          if (right !== undefined && region === asked) [region, client] = [right, undefined];
        }
      }
    },
  };
  return bucket;
};
