/** The most that was in use on some cards together, as far as it was seen. */
export interface Peak {
  readonly bytes: () => number;
  /** What is told from now on is of others. */
  end(): void;
}

/** Memory in use on cards that are held. */
export interface Peaks {
  of(uuids: readonly string[]): Peak;
  /** What is in use on a card now; of one that nobody holds nothing is kept. */
  readonly tell: (uuid: string, usedBytes: number) => void;
  /** What was told last of a held card; 0 of others. */
  usedBytes(uuid: string): number;
}

export const createPeaks = (): Peaks => {
  const used = new Map<string, number>();
  const held = new Map<string, { readonly uuids: readonly string[]; bytes: number }>();
  return {
    of: uuids => {
      const peak = { uuids, bytes: 0 };
      for (const uuid of uuids) {
        used.set(uuid, 0);
        held.set(uuid, peak);
      }
      return {
        bytes: () => peak.bytes,
        end: () => {
          for (const uuid of uuids) {
            used.delete(uuid);
            held.delete(uuid);
          }
        },
      };
    },
    tell: (uuid, usedBytes) => {
      const peak = held.get(uuid);
      if (!peak) return;
      used.set(uuid, usedBytes);
      peak.bytes = Math.max(
        peak.bytes,
        peak.uuids.reduce((sum, one) => sum + (used.get(one) ?? 0), 0),
      );
    },
    usedBytes: uuid => used.get(uuid) ?? 0,
  };
};
