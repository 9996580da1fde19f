import type { Options } from '../lib/config/options.ts';
import { heldBytes } from '../lib/executors/environments/held-bytes.ts';
import { createWatch } from '../lib/executors/watch.ts';
import { openControlGroups, shortcomings } from '../lib/resources/cgroups/control-groups.ts';
import { measureCores } from '../lib/resources/cpu.ts';
import { measureDiskBytes } from '../lib/resources/disk.ts';
import { measureMemoryBytes } from '../lib/resources/memory.ts';
import { partDisk, type DiskShare } from '../lib/resources/part-disk.ts';
import type { Emit } from '../lib/telemetry/events.ts';

/** Ends experiments before the kernel has to, with this share of the memory left. */
const memoryReserve = 0.02;
const leastReserveBytes = 64 * 1024 * 1024;

/** What holds experiments within their limits. */
export const openLimits = async (memoryBytes: number, emit: Emit) => {
  const groups = await openControlGroups();
  const why = shortcomings(groups);
  if (why !== undefined) emit('limits-watched', { why });
  if (groups.endedLeftovers > 0) emit('leftovers-ended', { processes: groups.endedLeftovers });
  const reserveBytes = Math.max(leastReserveBytes, memoryReserve * memoryBytes);
  return { groups, watch: createWatch({ availableBytes: measureMemoryBytes, reserveBytes }) };
};

/**
 * What the machine has for experiments, as the options say, and what shared environments may take of its disk.
 * @param environments their directory
 * @param cache its part of the same disk
 */
export const measure = async (options: Options, environments: string, cache: DiskShare | undefined) => {
  const { experimentsBytes, environmentsBytes } = partDisk({
    usableBytes: await measureDiskBytes(options.workingDir),
    maxBytes: options.maxDiskBytes,
    environments: { limitBytes: options.environmentsSizeBytes, heldBytes: await heldBytes(environments) },
    cache,
  });
  return {
    total: {
      cores: options.maxCores > 0 ? options.maxCores : await measureCores(),
      memoryBytes: options.maxMemBytes > 0 ? options.maxMemBytes : await measureMemoryBytes(),
      diskBytes: experimentsBytes,
    },
    environmentsBytes,
  };
};
