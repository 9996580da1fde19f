const lengthOf = (text: string): number => [...text].length;

/**
 * Phrases in one text, a dot between them, broken into lines where it is too long: between phrases, and between words in a phrase that
 * is longer than a line. A word that is longer stays whole.
 * Units: characters. @param firstWidth of the first line @param restWidth of the others
 */
export const hangingPhrases = (
  phrases: readonly string[],
  firstWidth: number,
  restWidth: number,
): readonly string[] => {
  const lines: string[] = [];
  let line = '';
  const width = () => (lines.length === 0 ? firstWidth : restWidth);
  const add = (part: string) => {
    const longer = line === '' ? part : `${line} ${part}`;
    if (lengthOf(longer) <= width()) line = longer;
    else {
      // A first line may stay empty: its part has more room in the next.
      if (line !== '' || lines.length === 0) lines.push(line);
      line = part;
    }
  };
  for (const [at, phrase] of phrases.entries()) {
    const part = at === 0 ? phrase : `· ${phrase}`;
    if (lengthOf(part) <= restWidth) add(part);
    else for (const word of part.split(' ')) add(word);
  }
  return [...lines, line];
};
