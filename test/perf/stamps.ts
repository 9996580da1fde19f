import { readFile } from 'node:fs/promises';

/** The moments (ms since the epoch) that stamp.py noted. */
export const stamps = async (file: string): Promise<Map<string, number>> => {
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  return new Map(lines.map(line => line.split(' ')).map(([id = '', at = '']) => [id, Number(at) * 1000]));
};

/** Ms since the epoch, with fractions. */
export const now = () => performance.timeOrigin + performance.now();
