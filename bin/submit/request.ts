import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { OptionsError } from '../../lib/errors.ts';
import { buildRequest } from '../../lib/request/build-request.ts';
import { parseDuration } from '../../lib/request/durations.ts';
import type { SubmitArguments } from './arguments.ts';
import type { SubmitStore } from './store.ts';

/** Results stand apart from the metadata objects: some stores let no key be another one's folder. */
const prefix = 'results';
const longestWait = '96h';
const defaultFilename = 'main.py';

/** Key of the artifact `output` of an experiment. */
export const outputKeyOf = (key: string): string => `${prefix}/${key}/output.tar`;

/** From then on no runner starts it, ms since the epoch. */
export const startBy = ({ given }: SubmitArguments, timeAddedMs: number): number =>
  timeAddedMs + (parseDuration(given.lifetime ?? longestWait) ?? Infinity);

/** Errors: OptionsError where the workspace has no such program. */
export const checkProgram = async ({ workspace, given }: SubmitArguments): Promise<void> => {
  const { filename = defaultFilename } = given;
  if (filename === '-m' || (await stat(join(workspace, filename)).catch(() => undefined))?.isFile()) return;
  throw new OptionsError([`--filename: there is no file "${filename}" in ${workspace}; expected the program`]);
};

const requirementsOf = async ({ requirements, given }: SubmitArguments): Promise<readonly string[]> => {
  if (given.requirements === undefined) return requirements;
  const lines = (await readFile(given.requirements, 'utf8')).split('\n').map(line => line.trim());
  return [...requirements, ...lines.filter(line => line !== '' && !line.startsWith('#'))];
};

/** The request that these arguments ask for. */
export const requestOf = async (
  use: SubmitArguments,
  parts: {
    readonly key: string;
    readonly store: SubmitStore;
    readonly workspaceKey: string;
    readonly timeAddedMs: number;
  },
): Promise<Record<string, unknown>> => {
  const { given, args, env } = use;
  return buildRequest({
    ...parts,
    filename: given.filename ?? defaultFilename,
    args,
    requirements: await requirementsOf(use),
    pythonVersion: given.python ?? '3',
    ...(given.project === undefined ? {} : { project: given.project }),
    resources: {
      cpus: Number(given.cpus ?? 1),
      gpus: Number(given.gpus ?? 0),
      ram: given.ram ?? '1gb',
      hdd: given.hdd ?? '1gb',
      ...(given['gpu-mem'] === undefined ? {} : { gpuMem: given['gpu-mem'] }),
    },
    env,
    maxDuration: given['max-duration'] ?? '4h',
    lifetime: given.lifetime ?? longestWait,
    prefix,
  });
};
