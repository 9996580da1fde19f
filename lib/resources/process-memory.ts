import { textOf } from './cgroups/files.ts';

const sumOf = (pids: readonly number[], file: string, field: RegExp): number =>
  pids.reduce((sum, pid) => {
    const found = [...textOf(`/proc/${String(pid)}/${file}`).matchAll(field)];
    return sum + found.reduce((kib, part) => kib + Number(part[1]), 0) * 1024;
  }, 0);

/**
 * Memory of processes that can't be given up, bytes, each for itself: too much by what they share, and a child that was forked
 * shares nearly everything. Cheap.
 * Source: proc_pid_status(5).
 */
export const residentBytes = (pids: readonly number[]): number =>
  sumOf(pids, 'status', /^Rss(?:Anon|Shmem):\s+(\d+) kB$/gm);

/** The same with what is shared counted once. The kernel walks their page tables for it: dear. Source: proc_pid_smaps(5). */
export const proportionalBytes = (pids: readonly number[]): number =>
  sumOf(pids, 'smaps_rollup', /^Pss_(?:Anon|Shmem):\s+(\d+) kB$/gm);
