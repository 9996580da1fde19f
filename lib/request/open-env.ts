import { looksSecret } from './secrets.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const hook = /hook/i;
const proxy = /_proxy$/i;
const urlWithUser = /:\/\/\S*@/;

/** Variables that the URL of a broker refers to: they make up its password, whatever they are called. */
const referredTo = (env: Environment): ReadonlySet<string> => {
  const urls = `${env['AMQP_URL'] ?? ''} ${env['AMQP_MGT_URL'] ?? ''}`;
  return new Set([...urls.matchAll(/\$\{?([A-Za-z_]\w*)/g)].map(([, name = '']) => name));
};

/**
 * What of the runner's environment anybody may see: without variables whose names look secret, URLs with a user in them (but
 * for proxies, without which there is no network), and what the URL of a broker is made of. bin/runner draws the same line.
 */
export const openEnv = (env: Environment): Record<string, string> => {
  const referred = referredTo(env);
  const isOpen = (name: string, value: string) =>
    !looksSecret(name) && !hook.test(name) && !referred.has(name) && (proxy.test(name) || !urlWithUser.test(value));
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      value !== undefined && isOpen(name, value) ? [[name, value] as const] : [],
    ),
  );
};
