/** What an experiment asks for. Sizes in bytes; `0` means that it said nothing about it. Source: request, resources_needed. */
export interface ResourceRequest {
  readonly cores: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  /** Slots on a card, not cards. */
  readonly gpus: number;
  readonly gpuMemoryBytes: number;
  /** Cards wanted; undefined: any number of cards whose slots add up. */
  readonly gpuCount?: number;
}

/** Cores, memory and disk as plain amounts: the machine's total, what is free, what a grant holds. */
export interface ResourceAmounts {
  readonly cores: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

/** One thing that a request asks for and a machine lacks. Cores, GPU slots (`gpus`) and cards as counts, the others in bytes. */
export interface Shortage {
  readonly resource: 'cores' | 'memory' | 'disk' | 'gpus' | 'gpu memory' | 'gpu cards';
  readonly asked: number;
  readonly available: number;
}

/** Resources reserved for one attempt. Each part goes back exactly once; a second call does nothing. */
export interface Grant {
  readonly amounts: ResourceAmounts;
  /** UUIDs of the cards granted; empty when none were asked for. */
  readonly gpuUuids: readonly string[];
  /** The most memory in use on them, bytes, as far as it was seen; undefined without cards. */
  gpuPeakBytes?(): number;
  /** Whether one of them is gone, has errors, or can't be asked for; undefined without cards. Never rejects. */
  cardFault?(): Promise<boolean>;
  /** Give cores, memory and cards back: the process tree is gone. */
  releaseCompute(): void;
  /** Give the disk back: the attempt's directory is removed. */
  releaseDisk(): void;
  /** So many bytes stay on the disk after that: the machine has less from now on. */
  keepDisk(bytes: number): void;
}
