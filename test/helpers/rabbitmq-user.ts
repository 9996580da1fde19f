/** Asks the management API for changes, as the user of a broker's URL. Errors: any answer but success. */
export const manager =
  (amqpUrl: string, managementUrl: string) =>
  async (path: string, method: string, body?: unknown): Promise<void> => {
    const { username, password } = new URL(amqpUrl);
    const url = new URL(path, managementUrl);
    url.username = url.password = '';
    const answer = await fetch(url, {
      method,
      headers: { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: HTTP ${String(answer.status)}`);
  };

/**
 * Give `work` the address of a RabbitMQ user who may read, write and look at the management API, and declare nothing, where
 * `permissions` do not say something else. The user is removed after it.
 */
export const withUser = async <T>(
  amqpUrl: string,
  managementUrl: string,
  work: (url: string) => Promise<T>,
  permissions: Readonly<Record<string, string>> = {},
): Promise<T> => {
  const name = `plain-${String(process.pid)}`;
  const ask = manager(amqpUrl, managementUrl);
  await ask(`/api/users/${name}`, 'PUT', { password: name, tags: 'monitoring' });
  try {
    const vhost = new URL(amqpUrl).pathname.slice(1) || '%2F';
    await ask(`/api/permissions/${vhost}/${name}`, 'PUT', { configure: '', write: '.*', read: '.*', ...permissions });
    const plain = new URL(amqpUrl);
    plain.username = plain.password = name;
    return await work(plain.href);
  } finally {
    await ask(`/api/users/${name}`, 'DELETE');
  }
};
