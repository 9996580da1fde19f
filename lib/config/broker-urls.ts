const defaultPorts: Readonly<Record<string, number>> = { 'amqp:': 5672, 'amqps:': 5671 };

/** Where RabbitMQ's management API is, by its convention: same host and user, port + 10000, https for amqps. */
const conventional = (amqpUrl: string): string => {
  const { protocol, hostname, port, username, password } = new URL(amqpUrl);
  const user = username === '' ? '' : `${username}${password === '' ? '' : `:${password}`}@`;
  const amqpPort = port === '' ? (defaultPorts[protocol] ?? 5672) : Number(port);
  return `${protocol === 'amqps:' ? 'https' : 'http'}://${user}${hostname}:${String(amqpPort + 10_000)}`;
};

/** A management URL that names no user gets the broker's. */
const withUser = (managementUrl: string, amqpUrl: string): string => {
  const url = new URL(managementUrl);
  if (url.username !== '') return managementUrl;
  const { username, password } = new URL(amqpUrl);
  url.username = username;
  url.password = password;
  return url.href;
};

/**
 * The management URL of each broker.
 * @param given as many as `amqpUrls`, or none
 */
export const managementUrls = (amqpUrls: readonly string[], given: readonly string[]): readonly string[] =>
  amqpUrls.map((amqpUrl, at) => {
    const management = given[at];
    return management === undefined ? conventional(amqpUrl) : withUser(management, amqpUrl);
  });
