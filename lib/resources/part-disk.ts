/** Disk that something may take up to a limit, and has taken so far, bytes. */
export interface DiskShare {
  readonly limitBytes: number;
  readonly heldBytes: number;
}

export interface DiskParts {
  /** What can still be had on the disk. */
  readonly usableBytes: number;
  /** MAX_DISK: what all together may take; 0: what can be had. */
  readonly maxBytes: number;
  /** `limitBytes` 0: a tenth of what there is. */
  readonly environments: DiskShare;
  /** Where it is on the same disk. */
  readonly cache?: DiskShare | undefined;
}

/** Of what there is, for shared environments, where nobody says more or less. */
const environmentsShare = 0.1;

const rest = ({ limitBytes, heldBytes }: DiskShare): number => Math.max(0, limitBytes - heldBytes);

/**
 * The disk, parted: what experiments can be granted, and what shared environments may take. What environments and the cache may yet
 * take is not granted, for it would be missing when they do. MAX_DISK lowers, it makes no disk.
 */
export const partDisk = ({
  usableBytes,
  maxBytes,
  environments,
  cache = { limitBytes: 0, heldBytes: 0 },
}: DiskParts): { readonly experimentsBytes: number; readonly environmentsBytes: number } => {
  const there = usableBytes + environments.heldBytes + cache.heldBytes;
  const whole = maxBytes > 0 ? Math.min(maxBytes, there) : there;
  const environmentsBytes = environments.limitBytes || Math.floor(environmentsShare * whole);
  const left = usableBytes - rest({ ...environments, limitBytes: environmentsBytes }) - rest(cache);
  const allowed = maxBytes > 0 ? maxBytes - environmentsBytes - cache.limitBytes : Infinity;
  return { experimentsBytes: Math.max(0, Math.min(left, allowed)), environmentsBytes };
};
