/** What a broker or a store said, with who tells more. */
export const withCheck = (said: string): string => `${said.replace(/\.$/, '')}; runner check looks why`;
