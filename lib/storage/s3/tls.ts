import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { messageOf, OptionsError } from '../../errors.ts';
import type { DirectTls } from '../object-store.ts';

/** How servers prove who they are, and how the runner does. */
export interface S3Tls {
  /** Tells two of them apart. */
  readonly id: string;
  /** For connections of other threads. */
  readonly pem: DirectTls;
  /** Made once: reading the system's authorities anew for each connection takes milliseconds. */
  readonly context: SecureContext;
}

export interface S3TlsFiles {
  readonly s3Ca: string | undefined;
  readonly s3Cert: string | undefined;
  readonly s3Key: string | undefined;
}

const names = { s3Ca: 'S3_CA', s3Cert: 'S3_CERT', s3Key: 'S3_KEY' } as const;

const certificates = (pem: string): readonly string[] =>
  pem.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? [];

/**
 * The files of S3_CA, S3_CERT and S3_KEY; undefined where none is named. Servers may be certified by that authority or by one of the
 * system's, since AWS may be asked beside a server of one's own.
 * Errors: OptionsError with every file that can not be used.
 */
export const readS3Tls = (files: S3TlsFiles): S3Tls | undefined => {
  const faults: string[] = [];
  const read = (name: keyof S3TlsFiles): string | undefined => {
    const file = files[name];
    if (file === undefined) return undefined;
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      faults.push(`${names[name]}: ${messageOf(error)}, expected a PEM file`);
      return undefined;
    }
  };
  const [ca, cert, key] = [read('s3Ca'), read('s3Cert'), read('s3Key')];
  for (const [name, pem] of [['s3Ca', ca] as const, ['s3Cert', cert] as const]) {
    if (pem === undefined) continue;
    const found = certificates(pem);
    if (found.length === 0) faults.push(`${names[name]}: no certificate in ${files[name]}, expected PEM`);
    for (const one of found) {
      try {
        new X509Certificate(one);
      } catch (error) {
        faults.push(`${names[name]}: a certificate in ${files[name]} can not be read: ${messageOf(error)}`);
      }
    }
  }
  if (faults.length > 0) throw new OptionsError(faults);
  if (ca === undefined && cert === undefined) return undefined;
  try {
    const pem = {
      ...(ca === undefined ? {} : { ca: [...getCACertificates('default'), ...certificates(ca)] }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
    };
    const context = createSecureContext(pem);
    return {
      pem,
      id: createHash('sha256')
        .update(JSON.stringify([ca, cert, key]))
        .digest('base64'),
      context,
    };
  } catch (error) {
    throw new OptionsError([`S3_CERT, S3_KEY: they can not be used: ${messageOf(error)}`]);
  }
};
