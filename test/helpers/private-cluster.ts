import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { kubectlFor, type Kubectl } from './kubectl.ts';
import { needService } from './services.ts';
import { shortTemporary } from './short-temporary.ts';

const services = join(import.meta.dirname, '../services');
/** In the order in which they start; each needs those before it. */
const scripts = ['docker', 'image', 'cluster'] as const;

export interface PrivateCluster {
  /** What listens at this address of the machine is in reach of pods, and nothing else is. */
  readonly address: string;
  /** The image of the runner, as a pod names it. */
  readonly image: string;
  readonly kubectl: Kubectl;
  readonly helm: Kubectl;
  /** SIGKILL to every process of a pod. */
  readonly killPod: (uid: string) => void;
}

const killPod = (uid: string): void => {
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    try {
      if (readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(`pod${uid}`)) process.kill(Number(pid), 'SIGKILL');
    } catch (error) {
      if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
};

/**
 * Start a cluster of one node with the runner's image in its registry, for one test file alone. It is stopped at the end of `t`, and
 * when this process is killed. Building takes minutes. Undefined where there is no kubectl or no Docker, or this is not root: the test
 * is skipped, or fails in CI.
 */
export const startCluster = async (t: Test): Promise<PrivateCluster | undefined> => {
  const kubectl = needService(t, 'TEST_KUBECTL');
  const helm = kubectl && needService(t, 'TEST_HELM');
  if (!kubectl || !helm || needService(t, 'TEST_DOCKER_HOST') === undefined) return undefined;
  const directory = mkdtempSync(join(shortTemporary, 'runner-cluster-'));
  const env = { ...process.env, RUNNER_TEST_DIR: directory };
  const act = async (script: string, action: 'start' | 'stop') =>
    (await promisify(execFile)('bash', [join(services, `${script}.sh`), action], { env })).stdout;
  const stopped = scripts.toReversed();
  const guard = [join(services, 'guard.sh'), String(process.pid), ...stopped];
  spawn('bash', guard, { env, detached: true, stdio: 'ignore' }).unref();
  t.teardown(async () => {
    for (const script of stopped) await act(script, 'stop');
    rmSync(directory, { recursive: true, force: true });
  });
  let said = '';
  for (const script of scripts) said += await act(script, 'start');
  const valueOf = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(said)?.[1] ?? '';
  const kubeconfig = valueOf('TEST_KUBECONFIG');
  return {
    address: valueOf('TEST_CLUSTER_ADDRESS'),
    image: valueOf('TEST_RUNNER_IMAGE'),
    kubectl: kubectlFor(kubectl, kubeconfig),
    helm: kubectlFor(helm, kubeconfig),
    killPod,
  };
};
