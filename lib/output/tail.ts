const mostLines = 10;
const mostCharacters = 400;

/** The last lines of a stream, each cut to what a person reads of it. */
export interface Tail {
  push(line: string): void;
  readonly lines: readonly string[];
}

/** Cost per line is constant: the oldest gives its place to the newest. */
export const createTail = (): Tail => {
  const kept: string[] = [];
  let next = 0;
  return {
    push: line => {
      if (line === '') return;
      kept[next++ % mostLines] = line.length > mostCharacters ? `${line.slice(0, mostCharacters)}…` : line;
    },
    get lines() {
      const first = Math.max(0, next - mostLines);
      return Array.from({ length: next - first }, (_, index) => kept[(first + index) % mostLines] ?? '');
    },
  };
};
