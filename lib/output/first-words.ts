import type { AdmittedAttempt, MetadataDocument } from '../model/attempt.ts';
import { withoutUrlSecrets } from '../request/without-credentials.ts';
import { createDocument } from './document.ts';
import { rfc3339 } from './rfc3339.ts';

/** The document of an attempt with what the runner knows before anything ran. Source: spec "Metadata". */
export const documentOf = (attempt: AdmittedAttempt, schemaLogs: boolean, nowMs: number): MetadataDocument => {
  const { request, identity, grant } = attempt;
  const document = createDocument({ schemaLogs });
  const locations = [...request.artifacts.values()].flatMap(({ label, qualified }) =>
    qualified === undefined ? [] : [[label, withoutUrlSecrets(qualified)] as const],
  );
  document.set('artifacts', Object.fromEntries(locations));
  document.set('experiment', {
    key: request.key,
    ...(request.project === undefined ? {} : { project: request.project }),
    ...(request.projectVersion === undefined ? {} : { project_version: request.projectVersion }),
    ...(request.projectExperiment === undefined ? {} : { project_experiment: request.projectExperiment }),
    ...(request.author === undefined ? {} : { author: request.author }),
  });
  document.set('host', identity.host);
  document.set('load_time', rfc3339(nowMs));
  document.set('granted', {
    cores: grant.amounts.cores,
    memory_bytes: grant.amounts.memoryBytes,
    disk_bytes: grant.amounts.diskBytes,
    gpus: grant.gpuUuids,
  });
  document.log('Init', nowMs);
  return document;
};
