import type { Artifact } from '../model/experiment.ts';
import { readCredentials } from './credentials.ts';
import type { Field } from './field.ts';
import { withoutUndefined } from './without-undefined.ts';

/** The longest name of a directory, in bytes, on every file system in use. */
const maxLabelBytes = 255;

/** Whether a label can be the name of a directory beside the workspace; `_runner` is the runner's own. */
export const isSafeLabel = (label: string): boolean =>
  !['', '.', '..', '_runner'].includes(label) &&
  !/[/\0]/.test(label) &&
  label.isWellFormed() &&
  Buffer.byteLength(label) <= maxLabelBytes;

const saveFrequencyMs = (field: Field): number | undefined => {
  const seconds = field.count();
  return seconds ? seconds * 1000 : undefined;
};

const readArtifact = (label: string, field: Field): Artifact => {
  field.object('an object with bucket, key, qualified …');
  return withoutUndefined({
    label,
    mutable: field.member('mutable').flag() ?? false,
    unpack: field.member('unpack').flag() ?? false,
    bucket: field.member('bucket').text(),
    key: field.member('key').text(),
    qualified: field.member('qualified').text(),
    url: field.member('url').text(),
    hash: field.member('hash').text(),
    credentials: readCredentials(field.member('credentials')),
    saveFrequencyMs: saveFrequencyMs(field.member('saveFrequency')),
  });
};

/** The artifacts of a request by label, those with null left out. Source: spec "Clear-text request", artifacts. */
export const readArtifacts = (field: Field): ReadonlyMap<string, Artifact> => {
  const artifacts = new Map<string, Artifact>();
  for (const [label, member] of field.members()) {
    if (!isSafeLabel(label)) {
      member.wrong(
        'its label is not a safe directory name',
        'a label without "/" that is not empty, ".", ".." or "_runner"',
      );
    }
    artifacts.set(label, readArtifact(label, member));
  }
  return artifacts;
};
