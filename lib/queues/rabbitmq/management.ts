/** What a look at the management API gives: the body as it came; undefined for 404. */
export const fetchManagement = async (
  managementUrl: string,
  path: string,
  signal: AbortSignal,
): Promise<Buffer | undefined> => {
  const url = new URL(path, managementUrl);
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  const response = await fetch(url, {
    headers: {
      authorization: `Basic ${Buffer.from(login).toString('base64')}`,
      // Packing and unpacking a long list costs both sides more than carrying it.
      'accept-encoding': 'identity',
    },
    signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
  });
  if (response.status === 404) {
    await response.body?.cancel();
    return undefined;
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`the management API answered ${String(response.status)} ${response.statusText} [host=${url.host}]`);
  }
  return Buffer.from(await response.arrayBuffer());
};

/** A GET of the management API; undefined for 404. Its URL's user and password go into the header. */
export const ask = async (managementUrl: string, path: string, signal: AbortSignal): Promise<unknown> => {
  const body = await fetchManagement(managementUrl, path, signal);
  return body === undefined ? undefined : JSON.parse(body.toString());
};
