import { createHash } from 'node:crypto';
import type Dockerode from 'dockerode';
import type { AuthConfig } from 'dockerode';
import { AttemptError, messageOf } from '../../errors.ts';
import { orAborted } from '../../flow/wait.ts';
import type { Credentials } from '../../model/experiment.ts';
import { fullReference } from '../image.ts';
import { engineFault, statusOf, type ConnectedEngine } from './engine.ts';
import { giveName, idOf, restoreName, untilThere, type EngineImage } from './image-names.ts';

export interface PullContext {
  readonly credentials: Credentials | undefined;
  readonly signal: AbortSignal;
  /** Hears of bytes so far and in all, as far as layers are known, at most once a second. */
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
}

interface PullLine {
  readonly id?: string;
  readonly error?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
}

const progressEveryMs = 1000;

/** Errors: `access-denied` for credentials of a kind that registries don't take. */
const authOf = (credentials: Credentials | undefined, reference: string): AuthConfig | undefined => {
  const serveraddress = fullReference(reference).split('/')[0] ?? '';
  switch (credentials?.type) {
    case undefined:
    case 'anonymous':
      return undefined;
    case 'plain':
      return { username: credentials.user, password: credentials.password, serveraddress };
    case 'jwt':
      return { username: '', password: '', registrytoken: credentials.token, serveraddress };
    case 'aws':
      throw new AttemptError('access-denied', 'credentials of the kind aws open no registry; expected plain or jwt', {
        image: reference,
      });
    default:
      return credentials satisfies never;
  }
};

/** By the words of registries and engines, which pass on no codes. */
const pullFailure = (reference: string, error: unknown): AttemptError => {
  const words = messageOf(error);
  const fail = (cause: 'image-missing' | 'image-denied') =>
    new AttemptError(cause, `the image could not be pulled: ${words}`, { image: reference }, { cause: error });
  if (/unauthorized|denied|authentication required|no basic auth|forbidden/i.test(words)) return fail('image-denied');
  if (/not found|manifest unknown|name unknown|invalid reference|no such image/i.test(words) || statusOf(error) === 400)
    return fail('image-missing');
  return engineFault(`pull the image ${reference}`, error);
};

const pull = async (docker: Dockerode, reference: string, auth: AuthConfig | undefined, use: PullContext) => {
  const stream = await docker.pull(reference, { ...(auth ? { authconfig: auth } : {}), abortSignal: use.signal });
  const layers = new Map<string, { current: number; total: number }>();
  let toldAtMs = 0;
  const finished = Promise.withResolvers<void>();
  docker.modem.followProgress(
    stream,
    (error: Error | null, lines: readonly PullLine[] | null) => {
      const failed = lines?.find(line => line.error !== undefined)?.error;
      if (error) finished.reject(error);
      else if (failed === undefined) finished.resolve();
      else finished.reject(new Error(failed));
    },
    ({ id = '', progressDetail: { current = 0, total = 0 } = {} }: PullLine) => {
      if (total === 0) return;
      layers.set(id, { current, total });
      if (performance.now() - toldAtMs < progressEveryMs) return;
      toldAtMs = performance.now();
      const sum = (part: 'current' | 'total') => [...layers.values()].reduce((all, one) => all + one[part], 0);
      use.onProgress(sum('current'), sum('total'));
    },
  );
  await orAborted(finished.promise, use.signal);
};

/** A name that only those know who have the credentials. */
const privateName = (reference: string, auth: AuthConfig): string => {
  const hash = createHash('sha256')
    .update(JSON.stringify([fullReference(reference), auth]))
    .digest('hex');
  return `studioml-runner/private:${hash}`;
};

/**
 * The image of a reference, pulled where it is not there. One that was pulled with credentials is kept under a name made of them, so
 * that nobody gets it without.
 * Errors: AttemptError `image-missing`, `image-denied`, `access-denied`, `engine-fault` where registry or engine do not answer.
 */
export const pullImage = async (
  { docker, turns }: ConnectedEngine,
  written: string,
  use: PullContext,
): Promise<EngineImage> => {
  // Without a tag the engine would pull every tag there is.
  const reference = fullReference(written);
  const auth = authOf(use.credentials, reference);
  const pulled = async () => {
    try {
      await pull(docker, reference, auth, use);
    } catch (error) {
      use.signal.throwIfAborted();
      throw pullFailure(reference, error);
    }
  };
  const kept = auth ? privateName(reference, auth) : reference;
  const pulledPrivately = async () => {
    const before = await turns.alone(() => idOf(docker, reference));
    try {
      await pulled();
      await turns.alone(() => giveName(docker, reference, kept));
    } finally {
      await turns.alone(() => restoreName(docker, reference, before));
    }
  };
  // By the reference in any case: while it is pulled with credentials, nobody without them may find it.
  return turns.bring(reference, use.signal, () => untilThere(docker, turns, kept, auth ? pulledPrivately : pulled));
};
