import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type Dockerode from 'dockerode';
import { messageOf } from '../../errors.ts';
import { engineFault, statusOf } from './engine.ts';
import { allNames, giveName, restoreName } from './image-names.ts';

interface EngineLine {
  readonly stream?: string;
  readonly status?: string;
  readonly error?: string;
}

/** Thrown when: an engine tells in the lines of its reply that it failed. */
class EngineRefusal extends Error {
  override readonly name = 'EngineRefusal';
}

/** The lines of an engine's reply. Errors: EngineRefusal in the engine's words; others where the reply was cut off. */
const linesOf = async (reply: unknown): Promise<readonly EngineLine[]> => {
  const lines = (await text(reply as Readable)).split('\n').filter(line => line.trim() !== '');
  const parsed = lines.map(line => JSON.parse(line) as EngineLine);
  const failed = parsed.find(({ error }) => error !== undefined);
  if (failed) throw new EngineRefusal(failed.error);
  return parsed;
};

/** What an engine says when its machine fails or it is stopping: it has the same code as what is wrong with an archive. */
const machineFault =
  /no space left|quota exceeded|read-only file system|input\/output error|cannot allocate memory|too many open files|context canceled/i;

/** Whether the engine has looked at the archive and can do nothing with it; else the engine, its machine or the way to it failed. */
const isOfArchive = (error: unknown): boolean =>
  (error instanceof EngineRefusal || statusOf(error) !== undefined) && !machineFault.test(messageOf(error));

/** What became of an archive: `gone` where somebody else took its image away before it had its name. */
type Loaded = 'named' | 'gone' | 'not-of-save';

/** `docker load`; the names that come with the archive are put back to what they stood for. Errors: AttemptError `engine-fault`. */
const loadSaved = async (docker: Dockerode, file: string, name: string): Promise<Loaded> => {
  const before = await allNames(docker);
  let lines: readonly EngineLine[];
  try {
    lines = await linesOf(await docker.loadImage(createReadStream(file), { quiet: true }));
  } catch (error) {
    if (isOfArchive(error)) return 'not-of-save';
    throw engineFault('load the archive', error);
  }
  const said = lines.flatMap(({ stream = '' }) => /Loaded image(?: ID)?: (\S+)/.exec(stream)?.[1] ?? []);
  const [first] = said;
  if (first === undefined) return 'not-of-save';
  try {
    return (await giveName(docker, first, name)) ? 'named' : 'gone';
  } finally {
    for (const own of said) if (!own.startsWith('sha256:')) await restoreName(docker, own, before.get(own));
  }
};

/**
 * Give the engine the image in an archive of `docker save` or `docker export`. Nobody else may look at names of the engine meanwhile.
 * Out: whether it was there when it had got its name.
 * Errors: AttemptError `engine-fault`; what the engine says of a file that is no image.
 * @param name `repo:tag`
 */
export const loadArchive = async (docker: Dockerode, file: string, name: string): Promise<boolean> => {
  const loaded = await loadSaved(docker, file, name);
  if (loaded !== 'not-of-save') return loaded === 'named';
  const [repo, tag] = name.split(':');
  try {
    await linesOf(await docker.importImage(createReadStream(file), { repo, tag }));
    return true;
  } catch (error) {
    throw isOfArchive(error) ? error : engineFault('import the archive', error);
  }
};
