import type { Options } from '../lib/config/options.ts';
import { createWatch } from '../lib/executors/watch.ts';
import { openControlGroups, shortcomings } from '../lib/resources/cgroups/control-groups.ts';
import { measureCores } from '../lib/resources/cpu.ts';
import { measureDiskBytes } from '../lib/resources/disk.ts';
import { measureMemoryBytes } from '../lib/resources/memory.ts';
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

/** What the machine has for experiments, as the options say. @param reservedBytes disk that is spoken for */
export const measure = async (options: Options, reservedBytes: number) => ({
  cores: options.maxCores > 0 ? options.maxCores : await measureCores(),
  memoryBytes: options.maxMemBytes > 0 ? options.maxMemBytes : await measureMemoryBytes(),
  diskBytes:
    options.maxDiskBytes > 0
      ? options.maxDiskBytes
      : Math.max(0, (await measureDiskBytes(options.workingDir)) - reservedBytes),
});
