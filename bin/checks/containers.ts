import { messageOf } from '../../lib/errors.ts';
import type { Check } from './check.ts';

/** The container engine that requests with an image are run by. Not having one is no failure: other work goes on. */
export const containerCheck: Check = {
  name: 'container engine',
  run: async (_, signal) => {
    try {
      const { default: Docker } = await import('dockerode');
      const { Version: version } = await new Docker().version();
      return { status: 'ok', found: `version ${version} answers` };
    } catch (error) {
      signal.throwIfAborted();
      const { code, address } = error as NodeJS.ErrnoException & { readonly address?: string };
      return {
        status: 'warning',
        found: code === 'ENOENT' && address !== undefined ? `there is no ${address}` : messageOf(error),
        expected: 'a Docker-compatible engine; without one, requests that name an image go back to their queue',
        remedy: 'start Docker or Podman, or say with DOCKER_HOST where its socket is',
      };
    }
  },
};
