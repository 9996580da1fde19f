/** What some work gives; undefined where it fails, whatever the reason. */
export const tried = <T>(work: () => T): T | undefined => {
  try {
    return work();
  } catch {
    return undefined;
  }
};
