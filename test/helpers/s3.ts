import { randomUUID } from 'node:crypto';
import type { Test } from 'tap';
import { createS3Store } from '../../lib/storage/s3.ts';
import type { S3Place } from '../../lib/storage/s3.ts';
import { needService } from './services.ts';

/** A bucket on the real S3 server of the tests. */
export interface TestBucket {
  readonly endpoint: string;
  readonly bucket: string;
  readonly credentials: { readonly type: 'aws'; readonly accessKey: string; readonly secretAccessKey: string };
  /** A store on it, with some of its settings changed. */
  readonly open: (other?: Partial<S3Place>) => ReturnType<typeof createS3Store>;
  /** Uploads in parts that were begun and neither completed nor taken away. */
  readonly unfinishedUploads: () => Promise<number>;
  /** Let anybody read what is in it. */
  readonly publish: () => Promise<void>;
}

/** A fresh bucket on the server of tests; where there is none (TEST_S3_URL) the test is skipped, or fails in CI, and this gives undefined. */
export const needS3 = async (t: Test): Promise<TestBucket | undefined> => {
  const address = needService(t, 'TEST_S3_URL');
  return address === undefined ? undefined : freshBucket(t, address);
};

/**
 * A fresh bucket, removed at the end with what is in it; made and looked at with the vendor's client, not with ours.
 * @param address of a server, with key and secret
 */
export const freshBucket = async (t: Test, address: string): Promise<TestBucket> => {
  const url = new URL(address);
  const credentials = {
    type: 'aws' as const,
    accessKey: decodeURIComponent(url.username),
    secretAccessKey: decodeURIComponent(url.password),
  };
  const sdk = await import('@aws-sdk/client-s3');
  const client = new sdk.S3Client({
    endpoint: url.origin,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: credentials.accessKey, secretAccessKey: credentials.secretAccessKey },
  });
  const bucket = `test-${randomUUID()}`;
  await client.send(new sdk.CreateBucketCommand({ Bucket: bucket }));
  t.teardown(async () => {
    for (;;) {
      const { Versions = [], DeleteMarkers = [] } = await client.send(
        new sdk.ListObjectVersionsCommand({ Bucket: bucket }),
      );
      const Objects = [...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => ({ Key, VersionId }));
      if (Objects.length === 0) break;
      await client.send(new sdk.DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }));
    }
    await client.send(new sdk.DeleteBucketCommand({ Bucket: bucket }));
    client.destroy();
  });
  return {
    endpoint: url.origin,
    bucket,
    credentials,
    open: other => createS3Store({ endpoint: url.origin, region: 'us-east-1', bucket, credentials, ...other }),
    unfinishedUploads: async () => {
      const { Uploads = [] } = await client.send(new sdk.ListMultipartUploadsCommand({ Bucket: bucket }));
      return Uploads.length;
    },
    publish: async () => {
      const Statement = [
        {
          Effect: 'Allow',
          Principal: '*',
          Action: ['s3:GetObject', 's3:ListBucket'],
          Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
        },
      ];
      const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
      await client.send(new sdk.PutBucketPolicyCommand({ Bucket: bucket, Policy }));
    },
  };
};
