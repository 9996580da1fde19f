import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A program of Kubernetes with its words; `input` is its stdin. Rejects with what it printed where it fails. */
export type Kubectl = (args: readonly string[], input?: string) => Promise<string>;

/** kubectl or helm as an administrator of the cluster that a kubeconfig names. */
export const kubectlFor =
  (program: string, kubeconfig: string): Kubectl =>
  async (args, input = '') => {
    const env = { ...process.env, KUBECONFIG: kubeconfig, KUBECACHEDIR: join(dirname(kubeconfig), 'cache') };
    const running = run(program, args, { env, maxBuffer: 64 * 1024 * 1024 });
    running.child.stdin?.end(input);
    return (await running).stdout;
  };
