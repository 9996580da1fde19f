import { readFileSync } from 'node:fs';

const root = new URL('../../', import.meta.url);

/** A document of this project, by its path from the root. */
export const documentText = (file: string): string => readFileSync(new URL(file, root), 'utf8');

/** The fenced blocks of a document in this language. */
export const blocksOf = (file: string, language: string): string[] =>
  [...documentText(file).matchAll(/^```(\w*)\n(.*?)^```$/gms)].flatMap(([, name, body = '']) =>
    name === language ? [body] : [],
  );
