import { readdirSync, readFileSync } from 'node:fs';

/** Whether it runs. Who is dead may still wait for the first process to take note of it. */
export const isAlive = (pid: number | string): boolean => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${String(pid)}/stat`, 'latin1'));
  } catch {
    return false;
  }
};

/** Living processes whose argv holds `word`. */
export const livingWith = (word: string): number[] =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && name !== String(process.pid) && isAlive(name))
    .filter(name => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'latin1').split('\0').includes(word);
      } catch {
        return false;
      }
    })
    .map(Number);
