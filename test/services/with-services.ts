import { constants } from 'node:os';
import { startServices, type StartedServices } from './services.ts';

/** Run `work` between the start and the stop of the services, and end this process with the exit code that it gives.
 *  They are stopped whatever happens: an error (exit code 1), SIGINT and SIGTERM (128 + number), which also abort `signal`. */
export const withServices = async (
  work: (services: StartedServices, signal: AbortSignal) => Promise<number>,
): Promise<void> => {
  const interrupted = new AbortController();
  let exitCode = 1;
  let signalExitCode: number | undefined;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (interrupted.signal.aborted) return;
      say(`${name}: stopping`);
      signalExitCode = 128 + constants.signals[name];
      interrupted.abort();
    });
  }
  const services = await startServices(interrupted.signal, say);
  try {
    if (!interrupted.signal.aborted) exitCode = await work(services, interrupted.signal);
  } catch (error) {
    console.error(error);
  } finally {
    await services.stop();
  }
  process.exitCode = signalExitCode ?? exitCode;
};

const startedMs = Date.now();

/** A line for the person who watches, with the seconds since the start. */
export const say = (line: string): void => {
  process.stderr.write(`[${((Date.now() - startedMs) / 1000).toFixed(1).padStart(5)} s] ${line}\n`);
};
