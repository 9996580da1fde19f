import { flagOf, type OptionRow, type OptionType } from './option-rows.ts';
import { groups } from './options.ts';

const nbsp = '\u00a0';

const valueWords: Readonly<Record<OptionType, string>> = {
  text: 'TEXT',
  path: 'PATH',
  boolean: '',
  integer: 'N',
  bytes: 'SIZE',
  duration: 'DURATION',
  pattern: 'REGEXP',
  choice: '',
  list: 'NAME,…',
  words: 'NAME,…',
  paths: 'PATH,…',
  urls: 'URL,…',
};

const valueWord = (row: OptionRow): string => row.value ?? row.choices?.join('|') ?? valueWords[row.type];

const rangeNote = ({ min, max }: OptionRow): string | undefined => {
  if (min !== undefined && min !== '0') return max === undefined ? `at least ${min}` : `${min} to ${max}`;
  return max === undefined ? undefined : `at most ${max}`;
};

const defaultNote = (row: OptionRow): string | undefined =>
  row.default === '' || row.default === 'false' ? undefined : `default: ${row.default}`;

/** `[default: 3; at least 1]`, kept on one line where it is short. */
const notes = (row: OptionRow): string => {
  const said = [defaultNote(row), rangeNote(row)].filter(note => note !== undefined).join('; ');
  if (said === '') return '';
  return said.length > 50 ? ` [${said}]` : ` [${said.replaceAll(' ', nbsp)}]`;
};

/** Break a text into lines of at most `width` characters, between words. */
export const wrap = (text: string, width: number): readonly string[] => {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].map(line => line.replaceAll(nbsp, ' '));
};

/**
 * Names on the left, what they mean on the right, wrapped to `columns`. A name that is too long for its column stands on a line of
 * its own.
 */
export const twoColumns = (
  pairs: readonly (readonly [left: string, right: string])[],
  columns: number,
  leftWidth: number,
): string =>
  pairs
    .flatMap(([left, right]) => {
      const lines = wrap(right, Math.max(24, columns - leftWidth - 4));
      const rest = lines.map(line => `${' '.repeat(leftWidth + 4)}${line}`);
      if (left.length > leftWidth) return [`  ${left}`, ...rest];
      return [`  ${left.padEnd(leftWidth)}  ${lines[0] ?? ''}`, ...rest.slice(1)];
    })
    .join('\n');

/** The options part of `--help`, in groups, for a terminal of `columns` characters. @param names only these */
export const describeOptions = (columns: number, names?: readonly string[]): string =>
  groups
    .map(({ title, rows }) => ({
      title,
      shown: Object.entries(rows).flatMap(([name, row]) => (names?.includes(name) === false ? [] : [row])),
    }))
    .filter(({ shown }) => shown.length > 0)
    .map(({ title, shown }) => {
      const pairs = shown.map(row => [`${flagOf(row)} ${valueWord(row)}`.trimEnd(), row.meaning + notes(row)] as const);
      return `${title}:\n${twoColumns(pairs, columns, 28)}`;
    })
    .join('\n\n');

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
const code = (text: string): string => (text === '' ? '' : `\`${text.replaceAll('|', '\\|')}\``);

/** The options as Markdown, one table a group. */
export const optionsMarkdown = (): string =>
  groups
    .map(({ title, rows }) => {
      const lines = Object.values(rows).map(row => {
        const range = rangeNote(row);
        const meaning = [row.meaning, range === undefined ? '' : `(${range})`];
        return `| ${code(flagOf(row))} | ${code(row.env)} | ${code(row.default)} | ${cell(meaning.filter(Boolean).join(' '))} |`;
      });
      return [`### ${title}`, '', '| flag | variable | default | meaning |', '|---|---|---|---|', ...lines].join('\n');
    })
    .join('\n\n');

const markers = { start: '<!-- options -->', end: '<!-- /options -->' } as const;

/**
 * A document with the table of options between its markers renewed.
 * Errors: Error where a marker is missing.
 */
export const withOptionsTable = (document: string): string => {
  const start = document.indexOf(markers.start);
  const end = document.indexOf(markers.end);
  if (start < 0 || end < start) throw new Error(`expected the markers ${markers.start} and ${markers.end}`);
  const unformatted = `<!-- prettier-ignore-start -->\n${optionsMarkdown()}\n<!-- prettier-ignore-end -->`;
  return `${document.slice(0, start + markers.start.length)}\n\n${unformatted}\n\n${document.slice(end)}`;
};
