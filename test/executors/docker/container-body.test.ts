import t from 'tap';
import { containerBody, type ContainerParts } from '../../../lib/executors/docker/container-body.ts';

const parts = (over: Partial<ContainerParts> = {}): ContainerParts => ({
  name: 'n',
  image: 'i',
  command: { file: 'python3', args: ['main.py', 'a b', '$HOME'], cwd: '/x/workspace', env: { A: '1' } },
  root: '/x',
  labels: { l: 'v' },
  amounts: { cores: 1.5, memoryBytes: 2e9, diskBytes: 0 },
  gpuUuids: [],
  network: 'none',
  user: '1000:1000',
  pids: 100,
  hasInit: true,
  ...over,
});

t.test('the grant is what the engine is asked for', t => {
  t.match(containerBody(parts()), {
    Entrypoint: ['python3'],
    Cmd: ['main.py', 'a b', '$HOME'],
    User: '1000:1000',
    WorkingDir: '/x/workspace',
    Env: ['A=1'],
    HostConfig: {
      Mounts: [{ Type: 'bind', Source: '/x', Target: '/x' }],
      NetworkMode: 'none',
      NanoCpus: 1.5e9,
      Memory: 2e9,
      MemorySwap: 2e9,
      ShmSize: 1e9,
      PidsLimit: 100,
      Init: true,
      LogConfig: { Type: 'none' },
    },
  });
  t.end();
});

t.test('cards are asked for by their UUIDs, and none where none are granted', t => {
  const gpuUuids = ['GPU-1', 'GPU-2'];
  t.strictSame(containerBody(parts({ gpuUuids })).HostConfig?.DeviceRequests, [
    { DeviceIDs: gpuUuids, Capabilities: [['gpu']] },
  ]);
  t.equal(containerBody(parts()).HostConfig?.DeviceRequests, undefined);
  t.end();
});

t.test('without a program the own entry point of the image runs', t => {
  const command = { file: undefined, args: [], cwd: '/x', env: {} };
  const body = containerBody(parts({ command, user: undefined }));
  t.notOk('Entrypoint' in body || 'Cmd' in body || 'User' in body);
  t.strictSame(containerBody(parts({ command: { ...command, args: ['a'] } })).Cmd, ['a']);
  t.end();
});

t.test('memory that was not asked for is no ceiling', t => {
  const body = containerBody(parts({ amounts: { cores: 1, memoryBytes: 0, diskBytes: 0 } }));
  t.equal(body.HostConfig?.Memory, undefined);
  t.equal(body.HostConfig?.ShmSize, 64 * 2 ** 20);
  t.end();
});
