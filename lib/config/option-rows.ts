/** What a checked option holds, by its type. Sizes in bytes, durations in milliseconds, paths absolute. */
export interface OptionValues {
  readonly text: string;
  readonly path: string;
  readonly boolean: boolean;
  readonly integer: number;
  readonly bytes: number;
  readonly duration: number;
  readonly pattern: RegExp;
  /** One word of `choices`. */
  readonly choice: string;
  /** Comma separated. */
  readonly list: readonly string[];
  /** Comma or blank separated. */
  readonly words: readonly string[];
  /** Comma separated, each made absolute. */
  readonly paths: readonly string[];
  /** Comma separated URLs, `$VAR` expanded, each with a scheme of `schemes`. */
  readonly urls: readonly string[];
}
export type OptionType = keyof OptionValues;

/** One option. Its flag is its environment variable in lower case: `QUEUE_MATCH` is `--queue-match`. */
export interface OptionRow {
  readonly env: string;
  readonly type: OptionType;
  /** As a user would write it; '' for none. `${NAME:-word}` is taken from the environment. */
  readonly default: string;
  /** Smallest and largest value, as a user would write them. */
  readonly min?: string;
  readonly max?: string;
  readonly choices?: readonly string[];
  readonly schemes?: readonly string[];
  /** Never repeated in an error. */
  readonly secret?: true;
  /** What stands for the value in the help, where its type's own word says too little. */
  readonly value?: string;
  readonly meaning: string;
}

export const rows = <const T extends Readonly<Record<string, OptionRow>>>(table: T): T => table;

/** `QUEUE_MATCH` -> `--queue-match` */
export const flagOf = (row: OptionRow): string => `--${row.env.toLowerCase().replaceAll('_', '-')}`;

type Many = 'list' | 'words' | 'paths' | 'urls';
type Held<R extends OptionRow> = R extends { readonly choices: readonly (infer C)[] } ? C : OptionValues[R['type']];

/** What a row's checked value is; undefined where it has no default and is no list. */
export type ValueOf<R extends OptionRow> = R['type'] extends Many
  ? Held<R>
  : R['default'] extends ''
    ? Held<R> | undefined
    : Held<R>;
