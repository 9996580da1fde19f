const secretWords = /key|secret|token|pass|credential/i;

/** Whether what bears this name is to be taken for a secret: *KEY*, *SECRET*, *TOKEN*, *PASS*, *CREDENTIAL*, in any case. */
export const looksSecret = (name: string): boolean => secretWords.test(name);

/** The same for members of a request, where `key` is the plain word for an id and for an object's name. */
export const isSecretMember = (name: string): boolean => name !== 'key' && looksSecret(name);

/** What the names in an object are: of members of a request, labels that users chose for artifacts, variables of config.env. */
export type Names = 'members' | 'labels' | 'variables';

/** What the names in a member are. @param names what its own is */
export const namesIn = (member: string, names: Names): Names => {
  if (names !== 'members') return 'members';
  if (member === 'artifacts') return 'labels';
  return member === 'env' ? 'variables' : 'members';
};

const hook = /hook/i;

/** Whether what bears this name holds a secret, or the address of a hook, which is one. */
export const holdsSecret = (name: string, names: Names): boolean =>
  names !== 'labels' && ((names === 'variables' ? looksSecret(name) : isSecretMember(name)) || hook.test(name));
