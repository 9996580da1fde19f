const secretWords = /key|secret|token|pass|credential/i;

/** Whether what bears this name is to be taken for a secret: *KEY*, *SECRET*, *TOKEN*, *PASS*, *CREDENTIAL*, in any case. */
export const looksSecret = (name: string): boolean => secretWords.test(name);

/** The same for members of a request, where `key` is the plain word for an id and for an object's name. */
export const isSecretMember = (name: string): boolean => name !== 'key' && looksSecret(name);
