import { setTimeout } from 'node:timers/promises';
import { messageOf } from '../../errors.ts';
import { silentMs } from '../../resources/process-identity.ts';
import type { Emit } from '../../telemetry/events.ts';
import { removeContainer, type Engine } from './engine.ts';
import type { ContainerJournal } from './journal.ts';

/**
 * Remove what runners that died have left: at once where they can be seen to be dead, and what is by then when those that can't be
 * seen have had the time to say that they live.
 * Errors: none: what can't be removed is an event, and tried at the next start.
 */
export const removeAbandoned = async ({
  engine,
  journal,
  emit,
}: {
  readonly engine: Engine;
  readonly journal: ContainerJournal;
  readonly emit: Emit;
}): Promise<void> => {
  for (const waitMs of [0, silentMs]) {
    await setTimeout(waitMs, undefined, { ref: false });
    for (const name of journal.abandoned()) {
      try {
        const { docker } = await engine.connect();
        await removeContainer(docker, name, 0);
        journal.delete(name);
      } catch (error) {
        emit('release-failed', { what: `container ${name}`, error: messageOf(error) });
      }
    }
  }
};
