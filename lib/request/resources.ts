import type { ResourceRequest } from '../model/resources.ts';
import type { Field } from './field.ts';
import { withoutUndefined } from './without-undefined.ts';

/** What a request says it needs; 0 where it says nothing. Source: spec "Clear-text request", resources_needed. */
export const readResources = (field: Field): ResourceRequest => {
  field.object('an object with cpus, gpus, ram, hdd …');
  return withoutUndefined({
    cores: field.member('cpus').count() ?? 0,
    memoryBytes: field.member('ram').size() ?? 0,
    diskBytes: field.member('hdd').size() ?? 0,
    gpus: field.member('gpus').count() ?? 0,
    gpuMemoryBytes: field.member('gpuMem').size() ?? 0,
    gpuCount: field.member('gpuCount').count(),
  });
};
