/** What of base64 stands for these bytes alone when they come after `before` others: the same wherever the text begins. */
const alignedBase64 = (bytes: Buffer, before: number): string => {
  const text = Buffer.concat([Buffer.alloc(before), bytes])
    .toString('base64')
    .replace(/=+$/, '');
  return text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
};

/** As JSON writes it that has no characters beyond ASCII: Python's way. */
const asciiJson = (text: string): string =>
  JSON.stringify(text)
    .slice(1, -1)
    .replace(/[\u007f-\uffff]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/**
 * A secret as it may stand in a text: plain, as JSON writes it, URL-encoded in the two ways that are in use, and in base64 (both
 * alphabets) at its three alignments.
 */
export const spellingsOf = (secret: string): readonly string[] => {
  const plain = secret.toWellFormed();
  const base64 = [0, 1, 2].map(before => alignedBase64(Buffer.from(plain), before));
  return [
    ...new Set([
      secret,
      JSON.stringify(secret).slice(1, -1),
      asciiJson(secret),
      encodeURIComponent(plain),
      encodeURI(plain),
      ...base64,
      ...base64.map(text => text.replaceAll('+', '-').replaceAll('/', '_')),
    ]),
  ];
};
