import { rows } from '../option-rows.ts';

/** How experiments run, and what of the machine they get. */
export const experimentOptions = rows({
  workingDir: {
    env: 'WORKING_DIR',
    type: 'path',
    default: '${TMPDIR:-/tmp}',
    meaning: 'Scratch space of experiments and environments.',
  },
  maxCores: {
    env: 'MAX_CORES',
    type: 'integer',
    default: '0',
    min: '0',
    meaning: 'Cores that experiments may use in all; 0: all that the runner may use.',
  },
  maxMemBytes: {
    env: 'MAX_MEM',
    type: 'bytes',
    default: '0gb',
    meaning:
      'Memory that experiments may use in all; 0gb: what is available at the start, within the limit of the cgroup.',
  },
  maxDiskBytes: {
    env: 'MAX_DISK',
    type: 'bytes',
    default: '0gb',
    meaning:
      'Disk that experiments, shared environments and the cache may use together, never more than 85 % of what is free in WORKING_DIR; 0gb: that much.',
  },
  environmentsSizeBytes: {
    env: 'ENVIRONMENTS_SIZE',
    type: 'bytes',
    default: '0gb',
    meaning:
      'What shared Python environments may take of the disk, those that run aside: who was not used for the longest goes first. 0gb: a tenth of the disk that there is for all (MAX_DISK).',
  },
  memoryLimit: {
    env: 'MEMORY_LIMIT',
    type: 'choice',
    choices: ['soft', 'hard'],
    default: 'soft',
    meaning:
      'soft: the memory asked for is reserved; who goes beyond it is ended only when the machine runs short, the furthest beyond first. hard: it is a ceiling.',
  },
  cpuOnly: {
    env: 'CPU_ONLY',
    type: 'boolean',
    default: 'false',
    meaning: 'Start where the driver of GPUs is there and tells of none, and run without.',
  },
  gpuSlots: {
    env: 'GPU_SLOTS',
    type: 'path',
    default: '',
    meaning: 'JSON file of slots by model of GPU, {"RTX 4090": 20}: before the values that the runner knows.',
  },
  experimentEnv: {
    env: 'EXPERIMENT_ENV',
    type: 'words',
    value: 'PATTERN,…',
    default:
      'PATH HOME LANG LC_* TZ *_PROXY LD_LIBRARY_PATH CUDA_* NVIDIA_* NCCL_* TF_* XLA_* OMP_* MKL_* HF_* *_CA_BUNDLE SSL_CERT_*',
    meaning:
      "Variables of the runner's environment that experiments see, less those that look secret and numbers of threads (OMP_NUM_THREADS …), which are the granted cores.",
  },
  containerNetwork: {
    env: 'CONTAINER_NETWORK',
    type: 'text',
    value: 'NAME',
    default: 'bridge',
    meaning: 'Network of containers: bridge, none, host, or the name of one.',
  },
  containerUser: {
    env: 'CONTAINER_USER',
    type: 'text',
    value: 'USER',
    default: '',
    meaning:
      'User in containers: a name or UID[:GID] of the image, or the word image for the one that it names. Where not given: user and group of the runner.',
  },
  containerPids: {
    env: 'CONTAINER_PIDS',
    type: 'integer',
    default: '4096',
    min: '16',
    meaning: 'Processes and threads that a container may have.',
  },
  schemaLogs: {
    env: 'SCHEMA_LOGS',
    type: 'boolean',
    default: 'true',
    meaning: 'Keep lines of output in the metadata document too.',
  },
  cacheDir: {
    env: 'CACHE_DIR',
    type: 'path',
    default: '',
    meaning: 'Cache of immutable artifacts, which runners of one machine may share; needs CACHE_SIZE.',
  },
  cacheSizeBytes: {
    env: 'CACHE_SIZE',
    type: 'bytes',
    default: '',
    min: '1gb',
    meaning: 'Size of that cache.',
  },
  cacheCreate: {
    env: 'CACHE_CREATE',
    type: 'boolean',
    default: 'false',
    meaning: 'Make CACHE_DIR where it is not there.',
  },
});
