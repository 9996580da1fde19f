import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { tried } from '../flow/tried.ts';
import type { Request } from '../model/experiment.ts';

/** The name of a requirement, as indexes compare it; undefined for options and URLs. Source: PEP 503. */
const nameOf = (requirement: string): string | undefined =>
  /^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:$|[[<>=!~;@ (])/
    .exec(requirement)?.[1]
    ?.toLowerCase()
    .replace(/[-_.]+/g, '-');

/** The archives of studioml that the client put into the workspace. */
export const bundledClients = (workspace: string): readonly string[] => {
  const names = tried(() => readdirSync(join(workspace, 'dist'))) ?? [];
  return names.filter(name => /^studioml-.*\.tar\.gz$/.test(name)).map(name => join(workspace, 'dist', name));
};

const editable = /^(?:-e|--editable)[\s=]+/;
const egg = /#(?:.*&)?egg=([^&\s]+)/;

/**
 * `-e git+https://…#egg=name` as `name @ git+https://…`: a tree that many share has no working copy in it. The name may carry extras.
 * Source: PEP 508; pip, "VCS support".
 */
const withoutEgg = (url: string): string => {
  const name = egg.exec(url)?.[1];
  if (name === undefined) return url;
  const [base = '', fragment = ''] = url.split('#');
  const others = fragment.split('&').filter(part => !part.startsWith('egg='));
  return `${name} @ ${base}${others.length > 0 ? `#${others.join('&')}` : ''}`;
};

const pathOption = /^(-[rcf]|--requirement|--constraint|--find-links)([\s=]*)([^\s=].*)$/;
const isPath = (text: string): boolean =>
  !text.includes('://') && (/^\.{0,2}\//.test(text) || /^\.{1,2}$/.test(text) || /\.(?:whl|tar\.gz|zip)$/.test(text));

/** Paths are taken from the workspace, whatever the tool's current directory. */
const withAbsolutePath = (line: string, workspace: string): string => {
  const [, option, between = '', path = ''] = pathOption.exec(line) ?? [];
  if (option !== undefined) return path.includes('://') ? line : `${option}${between}${resolve(workspace, path)}`;
  if (line.startsWith('-') || !isPath(line)) return line;
  return resolve(workspace, line);
};

const rewritten = (line: string, workspace: string): string => {
  const what = line.replace(editable, '');
  return /^(?:git|hg|svn|bzr)\+/.test(what) ? withoutEgg(what) : withAbsolutePath(what, workspace);
};

export interface RequirementsContext {
  readonly workspace: string;
  /** See bundledClients. */
  readonly bundled: readonly string[];
  readonly hasGpu: boolean;
}

/**
 * What is to be installed, in order: the requirements of the experiment, then those of the config. studioml itself comes from the
 * workspace where the client put it there; Debian's ghost `pkg-resources==0.0.0` is dropped; a GPU turns tensorflow 1 into its
 * variant for GPUs.
 * Source: spec "Python (virtual environment)".
 */
export const requirementsOf = (
  request: Pick<Request, 'requirements' | 'extraRequirements'>,
  { workspace, bundled, hasGpu }: RequirementsContext,
): readonly string[] =>
  [...request.requirements, ...request.extraRequirements].flatMap(line => {
    const requirement = line.trim();
    const name = nameOf(requirement);
    if (requirement === '' || /^pkg[-_]resources==0\.0\.0$/.test(requirement)) return [];
    if (name === 'studioml' && bundled.length > 0) return bundled.slice(0, 1);
    if (name === 'tensorflow' && hasGpu) return [requirement.replace(/^tensorflow(?=\s*==\s*1\.)/i, 'tensorflow-gpu')];
    return [rewritten(requirement, workspace)];
  });
