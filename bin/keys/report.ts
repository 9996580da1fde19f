import type { MadeKeys } from './make.ts';

const next: Readonly<Record<MadeKeys['kind'], string>> = {
  cluster: 'A running runner takes the key up within a second. Give the public key to everyone who sends requests:',
  sender: 'A running runner takes the key up within a second. Its public key:',
  response: 'The public key that reports are sealed with:',
};

/** What was made, for people and for programs. Secrets are in their files only. */
export const reportKeys = {
  asText: (made: MadeKeys): string =>
    [
      ...made.files.map(({ path, secret, purpose }) => `${path}\n    ${secret ? 'secret' : 'public'}: ${purpose}`),
      '',
      next[made.kind],
      made.public.trimEnd(),
      ...(made.fingerprint === undefined ? [] : [`fingerprint ${made.fingerprint}`]),
      '',
    ].join('\n'),
  asJson: ({ files, ...made }: MadeKeys): unknown => ({
    ...made,
    files: files.map(({ path, secret, purpose }) => ({ path, secret, purpose })),
  }),
};
