import { isSecretMember } from './secrets.ts';

/** Names of what says who somebody is, not how he proves it: it is left out where it stands, and not looked for elsewhere. */
const identity = /^(aws_)?access_?key(_id)?$/i;
const hook = /hook/i;
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

const collect = (value: unknown, name: string, namesAreLabels: boolean, found: Set<string>): void => {
  if (typeof value === 'string') {
    if (!namesAreLabels && !identity.test(name) && (isSecretMember(name) || hook.test(name))) found.add(value);
    for (const secret of inText(value)) found.add(secret);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [member, inner] of Object.entries(value)) {
    collect(inner, Array.isArray(value) ? '' : member, name === 'artifacts' && !namesAreLabels, found);
  }
};

/**
 * The values in a request that nobody else may see: of credentials, of entries of config.env and other members whose names look
 * secret, passwords inside URLs, Slack hooks. User names and access keys are not among them.
 * @param raw what readMessage gave: its nesting is bounded
 */
export const secretsOf = (raw: Readonly<Record<string, unknown>>): readonly string[] => {
  const found = new Set<string>();
  collect(raw, '', false, found);
  return [...found];
};
