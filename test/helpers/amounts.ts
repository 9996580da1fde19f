import type { ResourceRequest } from '../../lib/model/resources.ts';

/** A request for resources; what isn't given is not asked for. */
export const asking = (some: Partial<ResourceRequest> = {}): ResourceRequest => ({
  cores: 1,
  memoryBytes: 0,
  diskBytes: 0,
  gpus: 0,
  gpuMemoryBytes: 0,
  ...some,
});
