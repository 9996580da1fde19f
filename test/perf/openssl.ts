import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Raw private RSA-4096 operations a second, by `openssl speed` in so many processes at once. */
export const rawDecryptsPerSecond = async (processes: number, seconds = 5): Promise<number> => {
  const args = [
    'speed',
    '-seconds',
    String(seconds),
    ...(processes > 1 ? ['-multi', String(processes)] : []),
    'rsa4096',
  ];
  const { stdout } = await promisify(execFile)('openssl', args);
  const perSecond = /^rsa 4096 bits\s+\S+\s+\S+\s+([\d.]+)/m.exec(stdout)?.[1];
  if (perSecond === undefined) throw new Error(`openssl speed said nothing of rsa4096: ${stdout}`);
  return Number(perSecond);
};
