import type { ResourceAmounts } from '../../model/resources.ts';
import type { Metrics } from './metrics.ts';

/** A GPU or MIG instance. */
export interface GpuState {
  readonly uuid: string;
  /** Its model. */
  readonly name: string;
  readonly memoryBytes: number;
  readonly isHeld: boolean;
  readonly isFree: boolean;
  readonly usedBytes: number;
}

/** What is read when somebody asks, not when it changes. */
export interface MachineState {
  readonly version: string;
  readonly total: ResourceAmounts;
  readonly free: () => ResourceAmounts;
  readonly gpus: () => readonly GpuState[];
  readonly ready: () => boolean;
}

const parts = [
  ['cores', 'runner_cores_capacity', 'runner_cores_free', 'runner_cores_granted'],
  ['memoryBytes', 'runner_memory_capacity_bytes', 'runner_memory_free_bytes', 'runner_memory_granted_bytes'],
  ['diskBytes', 'runner_disk_capacity_bytes', 'runner_disk_free_bytes', 'runner_disk_granted_bytes'],
] as const;

/** Resources, readiness and the process itself, measured at each reading. */
export const collectMachine = (metrics: Metrics, { version, total, free, gpus, ready }: MachineState): void => {
  const startedAtSeconds = Date.now() / 1000 - process.uptime();
  metrics.set('runner_build_info', { version }, 1);
  metrics.set('process_start_time_seconds', {}, Math.round(startedAtSeconds * 1000) / 1000);
  metrics.onCollect(() => {
    metrics.set('runner_ready', {}, Number(ready()));
    const left = free();
    for (const [part, capacity, unused, granted] of parts) {
      metrics.set(capacity, {}, total[part]);
      metrics.set(unused, {}, left[part]);
      metrics.set(granted, {}, total[part] - left[part]);
    }
    const cards = gpus();
    metrics.set('runner_gpus_capacity', {}, cards.length);
    metrics.set('runner_gpus_free', {}, cards.filter(({ isFree }) => isFree).length);
    metrics.set('runner_gpus_granted', {}, cards.filter(({ isHeld }) => isHeld).length);
    for (const { uuid, name, memoryBytes, usedBytes } of cards) {
      metrics.set('runner_gpu_memory_capacity_bytes', { gpu: uuid, name }, memoryBytes);
      metrics.set('runner_gpu_memory_used_bytes', { gpu: uuid, name }, usedBytes);
    }
    const { user, system } = process.cpuUsage();
    metrics.set('process_cpu_seconds_total', {}, (user + system) / 1e6);
    metrics.set('process_resident_memory_bytes', {}, process.memoryUsage.rss());
  });
};
