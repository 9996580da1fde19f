import { AttemptError } from '../errors.ts';
import type { Request } from '../model/experiment.ts';
import { readArtifacts } from './artifacts.ts';
import { readEnv, readSaveFrequency, readStore } from './config.ts';
import { Faults, Field } from './field.ts';
import type { JsonObject } from './json-body.ts';
import { readResources } from './resources.ts';
import { shellUnquote } from './shquote.ts';
import { withoutUndefined } from './without-undefined.ts';

const pythonVersion = (field: Field): string | undefined => {
  const version = field.label();
  if (version === undefined || /^\d{1,4}(\.\d{1,4}){0,3}$/.test(version)) return version;
  return field.fault('a Python version', 'e.g. 3, 3.11');
};

const requiredKey = (field: Field): string => {
  if (field.absent || field.value === '') field.missing('a string that names the experiment');
  return field.text() ?? '';
};

/** The arguments, unquoted. With `-m` the first of them is the module. */
const programArguments = (field: Field, filename: string | undefined): readonly string[] => {
  const args = field.arguments().map(shellUnquote);
  if (filename === '-m' && args.length === 0) field.missing('a module as its first item, since filename is -m');
  return args;
};

const readExperiment = (experiment: Field) => {
  const filename = experiment.member('filename').argument();
  return {
    key: requiredKey(experiment.member('key')),
    filename,
    args: programArguments(experiment.member('args'), filename),
    pythonVersion: pythonVersion(experiment.member('pythonver')),
    requirements: experiment.member('pythonenv').arguments(),
    maxDurationMs: experiment.member('max_duration').duration(),
    timeAddedSeconds: experiment.member('time_added').amount(),
    resources: readResources(experiment.member('resources_needed')),
    project: experiment.member('project').label(),
    projectVersion: experiment.member('project_version').label(),
    projectExperiment: experiment.member('project_experiment').label(),
    author: experiment.member('author').label(),
    artifacts: readArtifacts(experiment.member('artifacts')),
  };
};

const readConfig = (config: Field) => {
  config.object('an object with env, pip, storage …');
  return {
    extraRequirements: config.member('pip').arguments(),
    lifetimeMs: config.member('experimentLifetime').duration(),
    env: readEnv(config.member('env')),
    saveWorkspaceFrequencyMs: readSaveFrequency(config.member('saveWorkspaceFrequency')),
    database: readStore(config.member('database')),
    storage: readStore(config.member('storage')),
    slackDestination: config.member('runner').member('slack_destination').text(),
  };
};

const refuse = (faults: Faults): never => {
  throw new AttemptError('not-a-request', `not a request: ${faults.text}`);
};

/**
 * A request, every member checked, those that nobody knows kept in `raw`.
 *
 * Errors: AttemptError `not-a-request`, whose message has a line for each fault: path, what was found, what was expected.
 * Values are shortened, and those of credentials or under a secret-looking name are never shown.
 * Source: spec "Clear-text request".
 *
 * @param message the JSON of a clear message, or of what was sealed in an envelope
 */
export const parseRequest = (message: JsonObject): Request => {
  const faults = new Faults();
  const root = new Field(message, '', faults);
  const experiment = root.member('experiment');
  const expected = "an object with the experiment's key";
  if (experiment.absent) experiment.missing(expected);
  if (experiment.object(expected) === undefined) return refuse(faults);
  const request = { ...readExperiment(experiment), ...readConfig(root.member('config')), raw: message };
  return faults.any ? refuse(faults) : withoutUndefined(request);
};
