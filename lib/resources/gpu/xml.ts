/** An element with its text and its elements; attributes are left out. */
export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

interface Open {
  name: string;
  text: string;
  children: XmlElement[];
}

const token = /<!--[^]*?-->|<[?!][^>]*>|<(\/?)([\w.-]+)[^>]*?(\/?)>|([^<]+)/g;

/**
 * What `nvidia-smi -x` writes: elements and text. It has no entities, no CDATA and no namespaces.
 * Errors: SyntaxError where elements are not closed in their order.
 */
export const parseXml = (text: string): XmlElement => {
  const root: Open = { name: '', text: '', children: [] };
  const open = [root];
  for (const [, closing, name, empty, words] of text.matchAll(token)) {
    const current = open.at(-1) ?? root;
    if (words !== undefined) current.text += words.trim();
    else if (name === undefined) continue;
    else if (closing === '/') {
      if (open.length < 2 || open.pop()?.name !== name) throw new SyntaxError(`</${name}> closes nothing`);
    } else {
      const child: Open = { name, text: '', children: [] };
      current.children.push(child);
      if (empty !== '/') open.push(child);
    }
  }
  if (open.length > 1) throw new SyntaxError(`<${open.at(-1)?.name ?? ''}> is not closed`);
  return root;
};

/** The elements that a path of names leads to. */
export const elementsAt = (from: XmlElement, ...path: readonly string[]): readonly XmlElement[] =>
  path.reduce<readonly XmlElement[]>(
    (found, name) => found.flatMap(({ children }) => children.filter(child => child.name === name)),
    [from],
  );

/** The text of the first of them; undefined where there is none. */
export const textAt = (from: XmlElement, ...path: readonly string[]): string | undefined =>
  elementsAt(from, ...path)[0]?.text;
