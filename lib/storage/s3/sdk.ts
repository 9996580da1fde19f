/**
 * What this driver uses of the AWS SDK, and nothing else of it: the build bundles this file with what it needs into one
 * (`npm run build`), which loads in half the time and takes a third of the memory that the whole package does.
 */
export {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  S3Client,
} from '@aws-sdk/client-s3';
export { HttpRequest } from '@smithy/core/protocols';
