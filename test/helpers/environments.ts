import { join } from 'node:path';
import type { Test } from 'tap';
import {
  createEnvironments,
  type EnvironmentsSettings,
  type Wanted,
} from '../../lib/executors/environments/environments.ts';
import { installerEnv } from '../../lib/executors/installer-env.ts';
import { startPackageIndex, testInterpreter, type PackageIndex } from './package-index.ts';

/** The tools' ordinary environment on an index of the test's own, with a cache of its own. */
export const toolEnv = (t: Test, index: Pick<PackageIndex, 'url'>, more: Readonly<Record<string, string>> = {}) => {
  const { PIP_FIND_LINKS: _here, ...env } = process.env;
  const cache = {
    PIP_CACHE_DIR: join(t.testdirName, 'pip'),
    UV_CACHE_DIR: join(t.testdirName, 'uv'),
    UV_HTTP_RETRIES: '0',
  };
  return installerEnv({ ...env, ...cache, PIP_INDEX_URL: index.url }, more);
};

export interface SceneSettings extends Partial<EnvironmentsSettings> {
  /** Whether what every environment holds is pip itself; else something small of that name. */
  readonly realPip?: boolean;
}

/** Environments on an index of their own, with the packages `left` 1.0 and 2.0, and `right` 1.0 that needs left. */
export const environmentsScene = async (
  t: Test,
  uv: string | undefined,
  { realPip = false, ...over }: SceneSettings = {},
) => {
  const { interpreter, wheels } = await testInterpreter();
  const index = await startPackageIndex(t, { wheels: realPip ? wheels : undefined });
  for (const version of ['1.0', '2.0']) index.add({ name: 'left', version, scripts: ['left = left:main'] });
  index.add({ name: 'right', version: '1.0', requires: ['left'] });
  const directory = join(t.testdir(), 'environments');
  const log = join(t.testdirName, 'output');
  const events: { event: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const open = () => {
    const environments = createEnvironments({
      directory,
      limitBytes: Infinity,
      uv,
      runsMayWrite: true,
      emit: (event, fields) => events.push({ event, fields }),
      ...over,
    });
    t.teardown(() => environments.close());
    return environments;
  };
  const environments = open();
  const wanted = (requirements: readonly string[], more: Partial<Wanted> = {}): Wanted => ({
    interpreter,
    requirements,
    log,
    env: toolEnv(t, index),
    signal: new AbortController().signal,
    ...more,
  });
  const get = (requirements: readonly string[], more?: Partial<Wanted>) => environments.get(wanted(requirements, more));
  return { directory, log, events, index, interpreter, open, environments, wanted, get };
};
