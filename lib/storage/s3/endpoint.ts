/** Where a bucket is asked for. */
export interface S3Endpoint {
  readonly protocol: 'http:' | 'https:';
  readonly hostname: string;
  readonly port: number;
  /** As the Host header has it. */
  readonly host: string;
  /** What stands before a key: `/` or `/bucket/`. */
  readonly root: string;
}

/** Percent-encoded as S3's signature wants it: everything but unreserved characters. Source: RFC 3986. */
export const encoded = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

/** A key as a path; its slashes stay. */
export const encodedKey = (key: string): string => key.split('/').map(encoded).join('/');

const awsDomain = (region: string): string => (region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com');

/** Names that may stand in front of a host name. With a dot they would not fit the certificate. */
const isHostLabel = (bucket: string): boolean => /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(bucket);

/**
 * The endpoint of a bucket: path style on a host that is named, virtual style on AWS where the bucket's name allows it.
 * @param origin `http(s)://host[:port]`; undefined: AWS in that region
 */
export const endpointOf = (origin: string | undefined, region: string, bucket: string): S3Endpoint => {
  const virtual = origin === undefined && isHostLabel(bucket);
  const url = new URL(origin ?? `https://${virtual ? `${bucket}.` : ''}s3.${region}.${awsDomain(region)}`);
  const protocol = url.protocol === 'https:' ? 'https:' : 'http:';
  return {
    protocol,
    // Node wants the address of an IPv6 host without its brackets.
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (protocol === 'https:' ? 443 : 80) : Number(url.port),
    host: url.host,
    root: virtual ? '/' : `/${encoded(bucket)}/`,
  };
};
