import type Dockerode from 'dockerode';
import { AttemptError, messageOf } from '../../errors.ts';
import { inTime, sleep } from '../../flow/wait.ts';
import { createImageTurns, type ImageTurns } from './image-turns.ts';

/** A Docker-compatible engine, connected to on first use. */
export interface Engine {
  /** Errors: AttemptError `engine-fault` where it does not answer. */
  connect(): Promise<ConnectedEngine>;
}
export interface ConnectedEngine {
  readonly docker: Dockerode;
  /** Whether it has a program that is the first process of a container, hands signals on and reaps. */
  readonly hasInit: boolean;
  /** For everything that depends on what names of its images stand for. */
  readonly turns: ImageTurns;
}

/** What a reply of the engine said. */
export const statusOf = (error: unknown): number | undefined => (error as { statusCode?: number }).statusCode;

/** Whether no reply came at all: it is not there, or went away. */
export const isAway = (error: unknown): boolean => statusOf(error) === undefined;

/** A call that an engine answers at once when it is well, and under load within this time. */
const answerMs = 60_000;

/** Its answer, as long as it has not hung for `limitMs`. Errors: those of the call; TimeOver; the outer signal's reason. */
export const answered = <T>(call: Promise<T>, limitMs = answerMs, outer?: AbortSignal): Promise<T> =>
  inTime(limitMs, call, outer);

/** The failure of a call as the end of an attempt. */
export const engineFault = (what: string, error: unknown): AttemptError =>
  new AttemptError(
    'engine-fault',
    isAway(error)
      ? `the container engine could not ${what}: ${messageOf(error)} (DOCKER_HOST says where it is)`
      : `the container engine could not ${what}: ${messageOf(error)}`,
    {},
    { cause: error },
  );

/**
 * @param socketPath instead of what DOCKER_HOST and its fellows say
 * @param limitMs how long it is waited for when it hangs
 */
export const createEngine = (socketPath?: string, limitMs?: number): Engine => {
  let connected: Promise<ConnectedEngine> | undefined;
  const turns = createImageTurns();
  const open = async (): Promise<ConnectedEngine> => {
    const { default: Docker } = await import('dockerode');
    // An engine that is stopping takes no new connection while it ends its containers, but goes on to answer on old ones: it must not
    // be taken for one whose container was killed.
    const headers = { Connection: 'close' };
    const docker = new Docker(socketPath === undefined ? { headers } : { socketPath, headers });
    const info = (await answered(docker.info() as Promise<unknown>, limitMs)) as { InitBinary?: string };
    return { docker, hasInit: Boolean(info.InitBinary), turns };
  };
  return {
    connect: async () => {
      try {
        return await (connected ??= open());
      } catch (error) {
        connected = undefined;
        throw engineFault('be reached', error);
      }
    },
  };
};

const pauseMs = 500;

/** Try again while the engine is away, `forMs` at most: it may be restarting. Errors: the last one. */
export const whenBack = async <T>(forMs: number, work: () => Promise<T>): Promise<T> => {
  const untilMs = performance.now() + forMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isAway(error) || performance.now() > untilMs) throw error;
    }
    await sleep(pauseMs);
  }
};

/** Remove a container, whatever it does. One that is not there is no error. Errors: those of the engine, one that hangs included. */
export const removeContainer = async (docker: Dockerode, id: string, patienceMs: number): Promise<void> => {
  await whenBack(patienceMs, async () => {
    try {
      await answered(docker.getContainer(id).remove({ force: true, v: true }));
    } catch (error) {
      // 409: somebody else removes it already.
      if (statusOf(error) !== 404 && statusOf(error) !== 409) throw error;
    }
  });
};
