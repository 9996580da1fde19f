/**
 * What this driver uses of the AWS SDK, and nothing else of it: the build bundles this file with what it needs into one
 * (`npm run build`), which loads in half the time and takes a third of the memory that the whole package does.
 */
export {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
