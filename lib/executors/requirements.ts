import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Request } from '../model/experiment.ts';

/** The name of a requirement, as indexes compare it; undefined for options and URLs. Source: PEP 503. */
export const nameOf = (requirement: string): string | undefined =>
  /^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:$|[[<>=!~;@ (])/
    .exec(requirement)?.[1]
    ?.toLowerCase()
    .replace(/[-_.]+/g, '-');

/** The archives of studioml that the client put into the workspace. */
export const bundledClients = async (workspace: string): Promise<readonly string[]> => {
  const names = await readdir(join(workspace, 'dist')).catch(() => []);
  return names.filter(name => /^studioml-.*\.tar\.gz$/.test(name)).map(name => join(workspace, 'dist', name));
};

/**
 * What is to be installed, in order: the requirements of the experiment, then those of the config. studioml itself comes from the
 * workspace where the client put it there; Debian's ghost `pkg-resources==0.0.0` is dropped; a GPU turns tensorflow 1 into its
 * variant for GPUs.
 * Source: spec "Python (virtual environment)".
 */
export const requirementsOf = (
  request: Pick<Request, 'requirements' | 'extraRequirements'>,
  bundled: readonly string[],
  hasGpu: boolean,
): readonly string[] =>
  [...request.requirements, ...request.extraRequirements].flatMap(line => {
    const requirement = line.trim();
    const name = nameOf(requirement);
    if (requirement === '' || /^pkg[-_]resources==0\.0\.0$/.test(requirement)) return [];
    if (name === 'studioml' && bundled.length > 0) return bundled.slice(0, 1);
    if (name === 'tensorflow' && hasGpu) return [requirement.replace(/^tensorflow(?=\s*==\s*1\.)/i, 'tensorflow-gpu')];
    return [requirement];
  });
