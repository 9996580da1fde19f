/** A time as RFC 3339 with nanoseconds, UTC. @param atMs milliseconds since the epoch, fractions count */
export const rfc3339 = (atMs: number): string => {
  const wholeMs = Math.floor(atMs);
  const belowMs = Math.min(999_999, Math.floor((atMs - wholeMs) * 1_000_000));
  return `${new Date(wholeMs).toISOString().slice(0, -1)}${String(belowMs).padStart(6, '0')}+00:00`;
};
