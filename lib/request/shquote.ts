const unsafe = /[^A-Za-z0-9_@%+=:,./-]/;
const quotedQuote = `'"'"'`;

/** A word as Python's shlex.quote writes it. Source: Python documentation, shlex.quote. */
export const shellQuote = (word: string): string =>
  word === '' || unsafe.test(word) ? `'${word.replaceAll("'", quotedQuote)}'` : word;

/**
 * Undo the quoting of the Python client: `'it'"'"'s'` becomes `it's`. Anything that shlex.quote could not have written stays as
 * it is, so that an argument from another client is never changed.
 * Source: spec "Clear-text request", experiment.args.
 */
export const shellUnquote = (argument: string): string => {
  if (argument.length < 2 || !argument.startsWith("'") || !argument.endsWith("'")) return argument;
  const word = argument.slice(1, -1).replaceAll(quotedQuote, "'");
  return shellQuote(word) === argument ? word : argument;
};
