/** What of base64 stands for these bytes alone when they come after `before` others: the same wherever the text begins. */
const alignedBase64 = (bytes: Buffer, before: number): string => {
  const text = Buffer.concat([Buffer.alloc(before), bytes])
    .toString('base64')
    .replace(/=+$/, '');
  return text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
};

const base64Of = (plain: string): readonly string[] => {
  const bytes = Buffer.from(plain);
  const aligned = [0, 1, 2].map(before => alignedBase64(bytes, before));
  return [...aligned, ...aligned.map(text => text.replaceAll('+', '-').replaceAll('/', '_'))];
};

/** As JSON writes it, and as it does that has no characters beyond ASCII: Python's way. */
const jsonOf = (text: string): readonly string[] => {
  const json = JSON.stringify(text).slice(1, -1);
  const ascii = json.replace(/[\u007f-\uffff]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return [json, ascii];
};

/** Characters that every way of URL-encoding keeps. */
const unreserved = /^[\w.-]*$/;

/** URL-encoded in the ways that are in use, with upper-case hex and with lower-case. */
const urlEncodingsOf = (plain: string): readonly string[] => {
  if (unreserved.test(plain)) return [];
  const component = encodeURIComponent(plain);
  // RFC 3986: Python's quote(safe=''), Go, curl.
  const strict = component.replace(/[!'()*]/g, mark => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
  // quote_plus
  const plus = strict.replaceAll('%20', '+');
  const encoded = [
    component,
    encodeURI(plain),
    strict,
    strict.replaceAll('%2F', '/'), // quote
    plus,
    plus.replaceAll('%2A', '*').replaceAll('~', '%7E'), // forms
  ];
  return [...encoded, ...encoded.map(text => text.replace(/%[0-9A-F]{2}/g, octet => octet.toLowerCase()))];
};

/**
 * A secret as it may stand in a text, each spelling once: plain, as JSON writes it, URL-encoded, and in base64 (both alphabets) at
 * its three alignments.
 */
export const spellingsOf = (secret: string): readonly string[] => {
  const plain = secret.toWellFormed();
  return [...new Set([secret, ...jsonOf(secret), ...urlEncodingsOf(plain), ...base64Of(plain)])];
};
