import { OptionsError } from '../../lib/errors.ts';
import { readS3Tls } from '../../lib/storage/s3/tls.ts';
import type { Check } from './check.ts';

/** The files that say how S3 servers are trusted, and how the runner is known to them. */
export const s3Check: Check = {
  name: 'S3',
  run: async options => {
    try {
      if (readS3Tls(options) === undefined) {
        return {
          status: 'ok',
          found: "no S3_CA, no S3_CERT: the system's authorities, plain HTTP but where https is said",
        };
      }
      const named = [options.s3Ca, options.s3Cert, options.s3Key].filter(file => file !== undefined);
      return { status: 'ok', found: `TLS with ${named.join(', ')}` };
    } catch (error) {
      if (!(error instanceof OptionsError)) throw error;
      return {
        status: 'failure',
        found: error.faults.join('; '),
        expected: 'PEM files, the key that of the certificate',
        remedy: 'correct S3_CA, S3_CERT, S3_KEY',
      };
    }
  },
};
