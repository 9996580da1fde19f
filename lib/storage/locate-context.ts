import { AttemptError } from '../errors.ts';
import type { S3Tls } from './s3/tls.ts';

/** What the rules of locations depend on beside the request. */
export interface LocateContext {
  /** May config.env's AWS keys be used where an artifact brings none? */
  readonly allowEnvSecrets: boolean;
  /** May the runner's own AWS chain? */
  readonly allowRunnerCredentials: boolean;
  /** Where `file://` may point; absent: anywhere for messages of a directory queue, nowhere for others. */
  readonly fileRoots: readonly string[];
  /** AWS_DEFAULT_REGION of the runner. */
  readonly defaultRegion?: string | undefined;
  /** Where it is there, S3 servers are spoken to with TLS, whatever the request says of them. */
  readonly tls?: S3Tls | undefined;
  /** `s3://host:port` -> a URL that is used instead. */
  readonly redirect?: ReadonlyMap<string, string>;
}

/** What is to be located: an artifact, or the metadata store under a name of its own. */
export interface Located {
  readonly label: string;
  readonly qualified?: string;
}

/** For messages: without passwords and signatures, which URLs may hold. */
const where = ({ label, qualified }: Located) => ({
  artifact: label,
  at: qualified?.replace(/[?].*$/s, '').replace(/\/\/[^/]*@/, '//'),
});

/** A location that makes no sense. */
export const invalidLocation = (located: Located, why: string): AttemptError =>
  new AttemptError('artifact-invalid', `the location can not be used: ${why}`, where(located));

/** A location that is not allowed. */
export const deniedLocation = (located: Located, why: string): AttemptError =>
  new AttemptError('access-denied', why, where(located));
