import { OptionsError } from '../lib/errors.ts';
import type { HttpServer } from '../lib/http/server.ts';
import type { Asked } from '../pipelines/http.ts';
import type { Runner } from '../pipelines/runner.ts';
import { closeEvents, configured, openEvents, printFaults, redactedBus, redactorOf } from './configured.ts';
import { openHttp } from './open-http.ts';

/**
 * Follow SIGTERM and SIGINT: the first stops in order, the second at once. Signals that come before there is a runner wait for
 * it; a second one then ends the process, since nothing was taken yet.
 */
const followSignals = (): { readonly attach: (runner: Runner) => void; readonly detach: () => void } => {
  let runner: Runner | undefined;
  let signals = 0;
  const stop = () => {
    runner?.stop(signals > 1 ? { now: true } : {});
  };
  const onSignal = () => {
    signals++;
    if (runner === undefined && signals > 1) process.exit(1);
    stop();
  };
  const names = ['SIGTERM', 'SIGINT'] as const;
  for (const name of names) process.on(name, onSignal);
  return {
    attach: started => {
      runner = started;
      if (signals > 0) stop();
    },
    detach: () => {
      for (const name of names) process.off(name, onSignal);
    },
  };
};

/**
 * Serve the configured queues until a signal says to stop.
 * Exit code: 0 everything was settled or given back in order, 1 not so, 2 options can not be used.
 */
export const serve = async (argv: readonly string[]): Promise<number> => {
  const options = configured(argv);
  if (options === undefined) return 2;
  const signals = followSignals();
  const endProfile =
    options.cpuProfile && (await (await import('./cpu-profile.ts')).startCpuProfile(options.cpuProfile));
  const redactor = redactorOf(options);
  const bus = redactedBus(redactor);
  try {
    const sinks = await openEvents(bus, options, redactor);
    // As log rotation asks for it.
    process.on('SIGHUP', sinks.reopen);
    let http: HttpServer | undefined;
    try {
      const { startRunner } = await import('../pipelines/start.ts');
      const started: { runner?: Asked } = {};
      // Before any work is taken: a port that is set by hand and busy refuses the start.
      http = await openHttp(options, bus.emit, () => started.runner);
      const runner = await startRunner(options, bus, redactor);
      started.runner = runner;
      signals.attach(runner);
      const { clean } = await runner.finished;
      return clean ? 0 : 1;
    } finally {
      await http?.close();
      await closeEvents(sinks);
      process.off('SIGHUP', sinks.reopen);
    }
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    printFaults(error);
    return 2;
  } finally {
    if (endProfile) await endProfile();
    signals.detach();
  }
};
