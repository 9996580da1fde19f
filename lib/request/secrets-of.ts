import { expandValue } from './effective.ts';
import { holdsSecret, namesIn, type Names } from './secrets.ts';

/** Names of what says who somebody is, not how he proves it: it is left out where it stands, and not looked for elsewhere. */
const identity = /^(aws_)?access_?key(_id)?$/i;
const urlPassword = /:\/\/[^\s/?#:@]*:([^\s/?#@]+)@/g;
const slackHook = /https:\/\/hooks\.slack\.com\/[^\s"']*/gi;

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

const inText = (text: string): readonly string[] => {
  if (!text.includes('://')) return [];
  const passwords = [...text.matchAll(urlPassword)].flatMap(([, password = '']) => [password, decoded(password)]);
  return [...passwords, ...(text.match(slackHook) ?? [])];
};

interface Search {
  readonly openEnv: Readonly<Record<string, string>>;
  readonly found: Set<string>;
}

const collect = (value: unknown, name: string, names: Names, search: Search): void => {
  const { openEnv, found } = search;
  // A number in config.env becomes a text as well.
  if (typeof value === 'string' || typeof value === 'number') {
    const text = String(value);
    for (const one of names === 'variables' ? [text, expandValue(text, openEnv)] : [text]) {
      if (!identity.test(name) && holdsSecret(name, names)) found.add(one);
      for (const secret of inText(one)) found.add(secret);
    }
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [member, inner] of Object.entries(value)) {
    collect(inner, Array.isArray(value) ? '' : member, namesIn(name, names), search);
  }
};

/**
 * The values in a request that nobody else may see: of credentials, of entries of config.env and other members whose names look
 * secret, passwords inside URLs, Slack hooks. User names and access keys are not among them. What config.env refers to with `%NAME%`
 * is found as it is sent and as the experiment gets it.
 * @param raw what readMessage gave: its nesting is bounded
 * @param openEnv what of the runner's environment requests may refer to, see open-env.ts
 */
export const secretsOf = (
  raw: Readonly<Record<string, unknown>>,
  openEnv: Readonly<Record<string, string>> = {},
): readonly string[] => {
  const found = new Set<string>();
  collect(raw, '', 'members', { openEnv, found });
  return [...found];
};
