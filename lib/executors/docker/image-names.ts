import type Dockerode from 'dockerode';
import { answered, engineFault, statusOf } from './engine.ts';
import type { ImageTurns } from './image-turns.ts';

/** An image that the engine has. The id stays what it is when somebody gives the name to another image. */
export interface EngineImage {
  readonly name: string;
  readonly id: string;
}

/** The id of the image that a name stands for; undefined for none. Errors: AttemptError `engine-fault`. */
export const idOf = async (docker: Dockerode, name: string): Promise<string | undefined> => {
  try {
    return (await answered(docker.getImage(name).inspect())).Id;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw engineFault(`look for the image ${name}`, error);
  }
};

/** Every name that the engine has for an image, with the image's id. Errors: AttemptError `engine-fault`. */
export const allNames = async (docker: Dockerode): Promise<ReadonlyMap<string, string>> => {
  try {
    const images = await answered(docker.listImages());
    return new Map(images.flatMap(({ Id, RepoTags }) => (RepoTags ?? []).map(name => [name, Id] as const)));
  } catch (error) {
    throw engineFault('list its images', error);
  }
};

const isGone = (error: unknown): boolean => statusOf(error) === 404;

/**
 * Give an image one more name, `repo:tag`. Out: whether it was still there.
 * Errors: AttemptError `engine-fault`.
 */
export const giveName = async (docker: Dockerode, image: string, name: string): Promise<boolean> => {
  const colon = name.lastIndexOf(':');
  try {
    await answered(docker.getImage(image).tag({ repo: name.slice(0, colon), tag: name.slice(colon + 1) }));
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw engineFault(`name the image ${image}`, error);
  }
};

/**
 * Let a name stand for what it stood for before: another request means that by it.
 * Errors: AttemptError `engine-fault`.
 * @param before the image's id; undefined: there was none
 */
export const restoreName = async (docker: Dockerode, name: string, before: string | undefined): Promise<void> => {
  if ((await idOf(docker, name)) === before) return;
  if (before !== undefined && (await giveName(docker, before, name))) return;
  try {
    await answered(docker.getImage(name).remove({ noprune: true }));
  } catch (error) {
    if (!isGone(error)) throw engineFault(`remove the name ${name}`, error);
  }
};

/** An image that another runner on this engine takes away while it is brought is brought so often. */
const mostTries = 3;

/**
 * Bring an image until the engine has it by its name. In its own turn: `ImageTurns.bring`.
 * Errors: those of `bring`; AttemptError `engine-fault`.
 * @param isStale what has the name already is not what is wanted
 */
export const untilThere = async (
  docker: Dockerode,
  turns: ImageTurns,
  name: string,
  bring: () => Promise<void>,
  isStale = false,
): Promise<EngineImage> => {
  for (let tries = 0; ; tries++) {
    const id = tries === 0 && isStale ? undefined : await turns.alone(() => idOf(docker, name));
    if (id !== undefined) return { name, id };
    if (tries === mostTries) throw engineFault('keep the image', new Error(`${name} is taken away again and again`));
    await bring();
  }
};
