import type { PipelineScene } from './pipeline-scene.ts';

/** A message that no run can make good, and why. */
export interface Poison {
  readonly body: string;
  readonly reason: string;
  /** Ends that its history tells, with MAX_ATTEMPTS=2. */
  readonly attempts: number;
}

type Json = Record<string, unknown>;
const changed = (body: string, change: (experiment: Json) => void): string => {
  const message = JSON.parse(body) as { experiment: Json };
  change(message.experiment);
  return JSON.stringify(message);
};

/** Ten kinds of poison. */
export const tenPoisons = async (scene: PipelineScene): Promise<readonly Poison[]> => {
  const { body: whole } = await scene.request({});
  const once = (body: string, reason: string): Poison => ({ body, reason, attempts: 1 });
  return [
    once('hello, runner', 'malformed'),
    once('', 'malformed'),
    once(whole.slice(0, whole.length / 2), 'malformed'),
    once('{"answer": 42}', 'not-a-request'),
    once('[1, 2, 3]', 'not-a-request'),
    once(
      changed(whole, experiment => {
        delete experiment['key'];
      }),
      'not-a-request',
    ),
    once((await scene.request({ workspaceKey: 'workspaces/nowhere.tar' })).body, 'artifact-missing'),
    once((await scene.request({ workspace: Buffer.from('this is no archive') })).body, 'artifact-invalid'),
    once(
      changed((await scene.request({})).body, experiment => {
        const artifacts = experiment['artifacts'] as Json;
        artifacts['data'] = { mutable: false, unpack: false, qualified: 'file:///etc/hostname' };
      }),
      'access-denied',
    ),
    { body: (await scene.request({ program: 'raise SystemExit(3)\n' })).body, reason: 'exited', attempts: 2 },
  ];
};
