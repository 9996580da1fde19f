import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readFault } from '../../lib/crypto/key-file.ts';
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

/** Errors: OptionsError where there is no such workspace, or no such program in it. */
export const checkProgram = async ({ workspace, given }: SubmitArguments): Promise<void> => {
  const { filename = defaultFilename } = given;
  const found = async (path: string) => stat(path).catch(() => undefined);
  if (!(await found(workspace))?.isDirectory())
    throw new OptionsError([`submit: there is no directory ${workspace}; expected the workspace`]);
  if (filename === '-m' || (await found(join(workspace, filename)))?.isFile()) return;
  throw new OptionsError([`--filename: there is no file "${filename}" in ${workspace}; expected the program`]);
};

/** What pip is to install. Errors: OptionsError where the file of --requirements can not be read. */
export const requirementsOf = async ({ requirements, given }: SubmitArguments): Promise<readonly string[]> => {
  const { requirements: file } = given;
  if (file === undefined) return requirements;
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new OptionsError([`--requirements: ${file}: ${readFault(error)}`]);
  });
  const lines = text.split('\n').map(line => line.trim());
  return [...requirements, ...lines.filter(line => line !== '' && !line.startsWith('#'))];
};

/** The request that these arguments ask for. */
export const requestOf = (
  use: SubmitArguments,
  parts: {
    readonly key: string;
    readonly requirements: readonly string[];
    readonly store: SubmitStore;
    readonly workspaceKey: string;
    readonly timeAddedMs: number;
  },
): Record<string, unknown> => {
  const { given, args, env } = use;
  return buildRequest({
    ...parts,
    filename: given.filename ?? defaultFilename,
    args,
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
