import type { AttemptRecord, SpanName } from '../model/attempt.ts';
import { humanDuration } from '../telemetry/person-format.ts';

/** In their order; each begins where the one before it ends, so together they are the whole time. */
export const spanNames: readonly SpanName[] = ['opened', 'admitted', 'staged', 'environment', 'run', 'stored'];

/** How long each part of an attempt took, ms. `queued`: from time_added until it was taken. */
export interface Bill {
  readonly spans: readonly { readonly name: SpanName | 'queued'; readonly ms: number }[];
  readonly wallMs: number;
}

/** A part of the attempt is over. */
export const endSpan = (record: AttemptRecord, name: SpanName, atMs: number): void => {
  (record.spans ??= []).push({ name, endedAtMs: atMs });
};

/** Whatever part was going on is over: a failure came between. */
export const endCurrentSpan = (record: AttemptRecord, atMs: number): void => {
  const ended = record.spans?.at(-1)?.name;
  endSpan(record, spanNames[ended === undefined ? 0 : spanNames.indexOf(ended) + 1] ?? 'stored', atMs);
};

/** @param takenAtMs when its message was taken */
export const billOf = ({ spans = [], request }: AttemptRecord, takenAtMs: number): Bill => {
  const addedAtMs = (request?.timeAddedSeconds ?? takenAtMs / 1000) * 1000;
  const queued = { name: 'queued', ms: Math.max(0, Math.round(takenAtMs - addedAtMs)) } as const;
  const parts = spans.map(({ name, endedAtMs }, index) => ({
    name,
    ms: Math.round(endedAtMs) - Math.round(spans[index - 1]?.endedAtMs ?? takenAtMs),
  }));
  const all = [queued, ...parts];
  return { spans: all, wallMs: all.reduce((sum, { ms }) => sum + ms, 0) };
};

/** As it stands in the metadata document: `{queued_ms: 12, …, wall_ms: 3400}`. */
export const billMembers = ({ spans, wallMs }: Bill): Readonly<Record<string, number>> => ({
  ...Object.fromEntries(spans.map(({ name, ms }) => [`${name}_ms`, ms])),
  wall_ms: wallMs,
});

/** As one line for people. */
export const billLine = ({ spans, wallMs }: Bill): string =>
  `${spans.map(({ name, ms }) => `${name} ${humanDuration(ms)}`).join(', ')}; ${humanDuration(wallMs)} in all`;
