/** Kinds of values that a field may hold; `?` where it may be absent. */
export interface FieldTypes {
  string: string;
  number: number;
  boolean: boolean;
  strings: readonly string[];
  object: Readonly<Record<string, unknown>>;
}
type FieldKind = keyof FieldTypes | `${keyof FieldTypes}?`;
export type Level = 'debug' | 'info' | 'warn' | 'error';

interface EventRow {
  readonly level: Level;
  readonly when: string;
  readonly fields: Readonly<Record<string, FieldKind>>;
}

export const table = <const T extends Record<string, EventRow>>(rows: T): T => rows;
