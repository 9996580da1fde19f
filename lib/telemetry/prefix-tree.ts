interface Node {
  /** The bytes between the node above and this one. */
  label: Buffer;
  /** How many times what ends here was added; 0: nothing ends here. */
  uses: number;
  /** By the first byte of their label. */
  children: Map<number, Node>;
}

/** Bytes that tell at once that nothing begins at a place. */
const beginning = 4;
/** Each experiment's output has a tree: few, so that the memory is no matter. */
const slots = 1 << 11;

/** The slot of the four bytes at a place, all of which are there. */
const slotOf = (bytes: Buffer, at: number): number => {
  const word =
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24);
  return Math.imul(word, 0x9e3779b1) >>> 21;
};

const equal = (bytes: Buffer, at: number, label: Buffer, length: number): boolean =>
  bytes.compare(label, 0, length, at, at + length) === 0;

const commonLength = (label: Buffer, bytes: Buffer, at: number): number => {
  const most = Math.min(label.length, bytes.length - at);
  let length = 0;
  while (length < most && label[length] === bytes[at + length]) length += 1;
  return length;
};

/** Make a node that ends after `length` bytes of what was one label. */
const split = (node: Node, length: number): void => {
  const below: Node = { label: node.label.subarray(length), uses: node.uses, children: node.children };
  node.children = new Map([[below.label[0] as number, below]]);
  node.label = node.label.subarray(0, length);
  node.uses = 0;
};

/**
 * Byte strings, at least four bytes each, by how they begin (a radix tree). What it costs to add, to delete or to find one does not
 * depend on how many there are.
 */
export class PrefixTree {
  readonly #root: Node = { label: Buffer.alloc(0), uses: 0, children: new Map() };
  /** How many begin with four bytes of this slot. */
  readonly #beginnings = new Uint32Array(slots);
  #size = 0;

  /** How many there are, each as many times as it was added. */
  get size(): number {
    return this.#size;
  }

  add(bytes: Buffer): void {
    this.#count(bytes, 1);
    let node = this.#root;
    for (let at = 0; at < bytes.length;) {
      const first = bytes[at] as number;
      const next = node.children.get(first);
      if (next === undefined) {
        node.children.set(first, { label: bytes.subarray(at), uses: 1, children: new Map() });
        return;
      }
      const common = commonLength(next.label, bytes, at);
      if (common < next.label.length) split(next, common);
      node = next;
      at += common;
    }
    node.uses += 1;
  }

  /** Take back one `add` of these bytes. */
  delete(bytes: Buffer): void {
    this.#count(bytes, -1);
    const path = [this.#root];
    for (let at = 0; at < bytes.length;) {
      const next = path.at(-1)?.children.get(bytes[at] as number);
      if (next === undefined) return;
      path.push(next);
      at += next.label.length;
    }
    let node = path.pop() as Node;
    node.uses -= 1;
    for (let above = path.pop(); above && node.uses === 0 && node.children.size === 0; above = path.pop()) {
      above.children.delete(node.label[0] as number);
      node = above;
    }
  }

  /** The length of the longest that stands at a place; 0 for none. */
  longestAt(bytes: Buffer, at: number): number {
    if (at + beginning > bytes.length || this.#beginnings[slotOf(bytes, at)] === 0) return 0;
    let longest = 0;
    let node = this.#root;
    for (let place = at; place < bytes.length;) {
      const next = node.children.get(bytes[place] as number);
      if (next === undefined) break;
      const end = place + next.label.length;
      if (end > bytes.length || !equal(bytes, place, next.label, next.label.length)) break;
      if (next.uses > 0) longest = end - at;
      node = next;
      place = end;
    }
    return longest;
  }

  /** Whether the bytes from a place to their end are the beginning of one that is longer. */
  isCutAt(bytes: Buffer, at: number): boolean {
    const { length } = bytes;
    if (at + beginning <= length && this.#beginnings[slotOf(bytes, at)] === 0) return false;
    let node = this.#root;
    for (let place = at; place < length;) {
      const next = node.children.get(bytes[place] as number);
      if (next === undefined) return false;
      const compared = Math.min(next.label.length, length - place);
      if (!equal(bytes, place, next.label, compared)) return false;
      if (compared < next.label.length) return true;
      node = next;
      place += compared;
    }
    return node.children.size > 0;
  }

  #count(bytes: Buffer, by: 1 | -1): void {
    this.#size += by;
    const slot = slotOf(bytes, 0);
    this.#beginnings[slot] = (this.#beginnings[slot] ?? 0) + by;
  }
}
