import { writeFile } from 'node:fs/promises';
import type { Session } from 'node:inspector/promises';
import { messageOf } from '../lib/errors.ts';

/**
 * Take a CPU profile of this process from now on, for the developer tools of browsers.
 * Out: how to end it and write the file; a file that can't be written is said on stderr.
 */
export const startCpuProfile = async (path: string): Promise<() => Promise<void>> => {
  const inspector = await import('node:inspector/promises');
  const session: Session = new inspector.Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  return async () => {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    await writeFile(path, JSON.stringify(profile)).catch((error: unknown) => {
      process.stderr.write(`runner: --cpu-profile (CPU_PROFILE): can not be written to: ${messageOf(error)}\n`);
    });
  };
};
