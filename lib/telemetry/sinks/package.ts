import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { LineWriter, LineWriterOptions } from '../line-writer.ts';
import type { FromWorker, WorkerInput } from './package-worker.ts';
import { createSender } from './sender.ts';

export interface PackagePlace {
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** The settings that pino's own logger tells its transports of. */
const pinoConfig = {
  messageKey: 'msg',
  errorKey: 'err',
  levels: {
    labels: { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' },
    values: { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 },
  },
};

/** Where a package's own main file is: beside the runner, or in the directory that it was started in. */
const find = (name: string): string => {
  const places = [import.meta.url, join(process.cwd(), 'package.json')];
  for (const place of places) {
    try {
      return createRequire(place).resolve(name);
    } catch {
      // The next place.
    }
  }
  throw new Error(`there is no package "${name}"; install it beside the runner: npm install ${name}`);
};

/**
 * A pino transport in a thread of its own. Not by pino itself: that waits for a stuck transport when the process ends.
 * Errors: where there is no such package.
 */
export const createPackageWriter = async (
  { name, options: own }: PackagePlace,
  options: LineWriterOptions,
): Promise<LineWriter> => {
  const input: WorkerInput = {
    target: pathToFileURL(find(name)).href,
    options: own,
    workerData: { pinoWillSendConfig: true },
  };
  const worker = new Worker(new URL(`./package-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: input,
  });
  worker.unref();
  const failures: Error[] = [];
  const check = (): void => {
    const [first] = failures;
    if (first) throw first;
  };
  const waiting = new Map<FromWorker['type'], () => void>();
  const failed = (error: Error) => {
    failures.push(error);
    options.onError(error);
    for (const go of waiting.values()) go();
  };
  worker.on('message', (message: FromWorker) => {
    if (message.type === 'failed') failed(new Error(message.error));
    else waiting.get(message.type)?.();
  });
  worker.on('error', failed);
  const heard = (type: FromWorker['type']): Promise<void> => new Promise(resolve => waiting.set(type, resolve));
  const ready = heard('ready');
  // Some wait for it before they are ready.
  worker.postMessage({ code: 'PINO_CONFIG', config: pinoConfig });
  const sender = createSender(
    {
      send: async lines => {
        await ready;
        check();
        const taken = heard('taken');
        worker.postMessage({ lines: lines.join('') });
        await taken;
        check();
      },
    },
    { ...options, batchBytes: 64 * 1024 },
  );
  return {
    write: sender.write,
    close: async timeoutMs => {
      const endsAtMs = performance.now() + timeoutMs;
      const lost = await sender.close(timeoutMs);
      const leftMs = endsAtMs - performance.now();
      if (failures.length === 0 && leftMs > 0) {
        const ended = heard('ended');
        worker.postMessage({ end: true });
        await Promise.race([ended, new Promise(resolve => setTimeout(resolve, leftMs).unref())]);
      }
      await worker.terminate();
      return lost;
    },
  };
};
