/**
 * The tools' own variables and what they need to reach an index; never secrets of queues and stores. Of git's what says how and by which
 * programs and files a repository is reached: a request's setup.py sees all of it, and GIT_TOKEN, GIT_CONFIG_VALUE_0 and the like
 * hold secrets themselves.
 */
const ofTheTools =
  /^(PATH|HOME|LANG|LC_.*|TZ|TMPDIR|PIP_.*|UV_.*|.*_PROXY|.*_CA_BUNDLE|SSL_CERT_.*|GIT_(SSL_(CAINFO|CAPATH|CERT|CIPHER_LIST|KEY|NO_VERIFY|VERSION)|SSH(_COMMAND|_VARIANT)?|ASKPASS|PROXY_COMMAND|HTTP_(LOW_SPEED_LIMIT|LOW_SPEED_TIME|PROXY_AUTHMETHOD|USER_AGENT)|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM)|TERMINAL_PROMPT|ALLOW_PROTOCOL))$/i;

/** What a request may say of indexes, in config.env. Where the tools write is not its business. */
const ofIndexes =
  /^(?:(?:PIP|UV)_(?:(?:EXTRA_)?INDEX_URL|FIND_LINKS|NO_INDEX)|PIP_(?:TRUSTED_HOST|PRE)|UV_(?:DEFAULT_INDEX|INDEX|INDEX_\w+|INSECURE_HOST|PRERELEASE))$/;

/** The same thing in the words of pip and of uv; `,` where uv separates by commas what pip separates by blanks. */
const pairs: readonly (readonly [pip: string, uv: string, separator?: ','])[] = [
  ['PIP_INDEX_URL', 'UV_DEFAULT_INDEX'],
  ['PIP_EXTRA_INDEX_URL', 'UV_INDEX'],
  ['PIP_FIND_LINKS', 'UV_FIND_LINKS', ','],
  ['PIP_TRUSTED_HOST', 'UV_INSECURE_HOST'],
  ['PIP_NO_INDEX', 'UV_NO_INDEX'],
];
/** Older names of uv's. */
const older: Readonly<Record<string, string>> = { UV_INDEX_URL: 'UV_DEFAULT_INDEX', UV_EXTRA_INDEX_URL: 'UV_INDEX' };

type Env = Readonly<Record<string, string | undefined>>;

const kept = (env: Env, pattern: RegExp): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      value !== undefined && pattern.test(name) ? [[older[name] ?? name, value] as const] : [],
    ),
  );

/** What is said in one tool's words said in the other's as well. */
const inBothWords = (env: Readonly<Record<string, string>>): Record<string, string> => {
  const both = { ...env };
  for (const [pip, uv, separator] of pairs) {
    const [ofPip, ofUv] = [env[pip], env[uv]];
    if (ofUv === undefined && ofPip !== undefined) both[uv] = separator ? ofPip.trim().split(/\s+/).join(',') : ofPip;
    // A name may stand before a URL of uv's.
    if (ofPip === undefined && ofUv !== undefined)
      both[pip] = separator ? ofUv.split(',').join(' ') : ofUv.replace(/(^|\s)[\w-]+=(?=\w+:\/\/)/g, '$1');
  }
  return both;
};

/**
 * The environment of pip or uv: what the runner has, and the indexes that the request names, which come first. Requests are written for
 * pip, which takes the best version of all indexes: uv does the same here.
 */
export const installerEnv = (runnerEnv: Env, requestEnv: Env = {}): Record<string, string> => ({
  UV_INDEX_STRATEGY: 'unsafe-best-match',
  ...inBothWords(kept(runnerEnv, ofTheTools)),
  ...inBothWords(kept(requestEnv, ofIndexes)),
  UV_PYTHON_DOWNLOADS: 'never',
});
