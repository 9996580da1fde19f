/**
 * The bytes of a base64 text, padded; undefined where it is none. Only the one spelling that encoding gives is taken: Node's own
 * decoder passes over what it doesn't know, and two texts could then mean the same.
 */
export const decodeBase64 = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
};
