import type { Request } from '../model/experiment.ts';

/** Bounds of the time between checkpoints of everything, ms. Source: spec "Checkpoints and stage-out". */
const minMs = 2 * 60_000;
const maxMs = 12 * 3_600_000;

/** Artifacts that are stored together, again and again. */
export interface CheckpointRound {
  readonly everyMs: number;
  /** Labels. */
  readonly due: ReadonlySet<string>;
}

export interface CheckpointPlan {
  readonly rounds: readonly CheckpointRound[];
  /** Where the time that was asked for is out of range. */
  readonly clamped?: { readonly askedMs: number; readonly usedMs: number };
}

/**
 * When each mutable artifact is stored while an experiment runs: by its own saveFrequency, which has no bounds but a second, else by
 * saveWorkspaceFrequency; else at the end only.
 */
export const planCheckpoints = ({
  artifacts,
  saveWorkspaceFrequencyMs: askedMs,
}: Pick<Request, 'artifacts' | 'saveWorkspaceFrequencyMs'>): CheckpointPlan => {
  const mutable = [...artifacts.values()].filter(one => one.mutable);
  const usedMs = askedMs === undefined ? undefined : Math.min(maxMs, Math.max(minMs, askedMs));
  const byTime = Map.groupBy(mutable, ({ saveFrequencyMs }) => saveFrequencyMs ?? usedMs);
  const rounds = [...byTime].flatMap(([everyMs, those]) =>
    everyMs === undefined ? [] : [{ everyMs, due: new Set(those.map(({ label }) => label)) }],
  );
  return {
    rounds,
    ...(askedMs === undefined || usedMs === undefined || askedMs === usedMs ? {} : { clamped: { askedMs, usedMs } }),
  };
};
