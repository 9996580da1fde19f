const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

const unescaped = (text: string): string =>
  text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (all, hex: string, decimal: string, name: string) => {
    if (name) return named[name] ?? all;
    const point = hex ? Number.parseInt(hex, 16) : Number(decimal);
    return point <= 0x10ffff ? String.fromCodePoint(point) : all;
  });

/** The contents of each element of that name, as written. Elements of S3's replies hold no others of their own name. */
export const elements = (xml: string, name: string): readonly string[] => {
  const found: string[] = [];
  const [open, close] = [`<${name}>`, `</${name}>`];
  for (let start = xml.indexOf(open); start !== -1; start = xml.indexOf(open, start)) {
    const end = xml.indexOf(close, start);
    if (end === -1) break;
    found.push(xml.slice(start + open.length, end));
    start = end + close.length;
  }
  return found;
};

/** The text of the first element of that name, its references resolved. Undefined where there is none. */
export const textOf = (xml: string, name: string): string | undefined => {
  const open = `<${name}>`;
  const start = xml.indexOf(open);
  const end = start === -1 ? -1 : xml.indexOf(`</${name}>`, start);
  return end === -1 ? undefined : unescaped(xml.slice(start + open.length, end));
};

/** Text as it may stand in an element. */
export const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, character => `&#${String(character.charCodeAt(0))};`);
