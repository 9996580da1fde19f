/** The member of the document that is the runner's own: an experiment may only add to it. Source: spec "Metadata". */
export const OWN_MEMBER = 'studioml';

/** The member of the runner's own that holds the lines of output; it lives in a log ring beside the tree. */
export const LOG_MEMBER = 'log';

export const REFUSED = `under /${OWN_MEMBER} nothing may be replaced or removed`;
export const TOO_DEEP = 'nested too deeply';

export const isOwn = (tokens: readonly string[]): boolean => tokens[0] === OWN_MEMBER;

export const isLog = (tokens: readonly string[]): boolean => isOwn(tokens) && tokens[1] === LOG_MEMBER;

/** Whether the log is part of what these tokens name. */
export const holdsLog = (tokens: readonly string[]): boolean =>
  tokens.length === 0 || (isOwn(tokens) && tokens.length === 1) || isLog(tokens);
