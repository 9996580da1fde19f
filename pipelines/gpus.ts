import { readFile } from 'node:fs/promises';
import type { Options } from '../lib/config/options.ts';
import { messageOf, OptionsError } from '../lib/errors.ts';
import { findExecutable } from '../lib/resources/find-executable.ts';
import { noCards, type Cards } from '../lib/resources/gpu/cards.ts';
import { createFollowMemory } from '../lib/resources/gpu/follow-memory.ts';
import { createReadCards, GpuError } from '../lib/resources/gpu/nvidia-smi.ts';
import { openCards } from '../lib/resources/gpu/open-cards.ts';
import { parseSlots } from '../lib/resources/gpu/slots.ts';
import type { Emit } from '../lib/telemetry/events.ts';

const readSlots = async (path: string | undefined): Promise<ReadonlyMap<string, number>> => {
  if (path === undefined) return new Map();
  try {
    return parseSlots(await readFile(path, 'utf8'));
  } catch (error) {
    throw new OptionsError([`--gpu-slots (GPU_SLOTS): "${path}" can not be used: ${messageOf(error)}`]);
  }
};

/**
 * The cards of this machine; none where there is no nvidia-smi.
 * Errors: OptionsError where nvidia-smi tells of none and CPU_ONLY does not say that this is as it should be; for a file GPU_SLOTS
 * that can't be used.
 */
export const gpusOf = async ({ cpuOnly, gpuSlots }: Options, emit: Emit): Promise<Cards> => {
  const overrides = await readSlots(gpuSlots);
  const executable = await findExecutable('nvidia-smi');
  const read = createReadCards(executable);
  const followMemory = createFollowMemory(executable);
  try {
    return await openCards({ read, followMemory, visible: process.env['CUDA_VISIBLE_DEVICES'], overrides, emit });
  } catch (error) {
    if (!(error instanceof GpuError)) throw error;
    if (!cpuOnly)
      throw new OptionsError([
        `${messageOf(error)}; repair the driver, or say with --cpu-only (CPU_ONLY) that there is to be no GPU`,
      ]);
    emit('gpus-unavailable', { why: messageOf(error) });
    return noCards;
  }
};
