/** Where to listen. Without a host: on every interface. */
export interface ListenAddress {
  readonly host: string | undefined;
  readonly port: number;
}

/** `:9090`, `127.0.0.1:9090`, `[::1]:9090`; undefined where it is none of these. */
export const parseAddress = (text: string): ListenAddress | undefined => {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/\s]*)):(\d{1,5})$/i.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) return undefined;
  return { host: (bracketed ?? plain) || undefined, port };
};

/** An address as it stands in a URL. */
export const hostAndPort = ({ host, port }: ListenAddress): string =>
  `${host === undefined ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host}:${String(port)}`;
