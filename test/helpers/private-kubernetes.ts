import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { kubectlFor, type Kubectl } from './kubectl.ts';
import { needService } from './services.ts';

const script = join(import.meta.dirname, '../services/kubernetes.sh');
const run = promisify(execFile);

export interface PrivateKubernetes {
  /** Directory with KEDA's definitions of its resource types. */
  readonly kedaTypes: string;
  /** How to reach it, as kubectl and helm read it. */
  readonly kubeconfig: string;
  readonly kubectl: Kubectl;
}

/**
 * Start an API of Kubernetes that one test file has for itself; it is stopped, and what it wrote removed, at the end of `t`. The
 * first start on a machine builds it, for minutes. Undefined where there is no kubectl: the test is skipped, or fails in CI.
 * @param more arguments of kube-apiserver
 */
export const startKubernetes = async (
  t: Test,
  more: readonly string[] = [],
): Promise<PrivateKubernetes | undefined> => {
  const program = needService(t, 'TEST_KUBECTL');
  if (program === undefined) return undefined;
  const directory = mkdtempSync(join(tmpdir(), 'runner-k8s-'));
  const env = { ...process.env, RUNNER_TEST_DIR: directory, TEST_KUBERNETES_ARGUMENTS: more.join(' ') };
  const act = async (action: string): Promise<string> => (await run('bash', [script, action], { env })).stdout;
  t.teardown(async () => {
    await act('stop');
    rmSync(directory, { recursive: true, force: true });
  });
  const said = await act('start');
  const valueOf = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(said)?.[1] ?? '';
  const kubeconfig = valueOf('TEST_KUBECONFIG');
  return {
    kubeconfig,
    kedaTypes: valueOf('TEST_KEDA_TYPES'),
    kubectl: kubectlFor(program, kubeconfig),
  };
};
