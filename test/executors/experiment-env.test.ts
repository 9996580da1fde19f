import t from 'tap';
import { experimentEnv, markerOf, type ExperimentEnvSettings } from '../../lib/executors/experiment-env.ts';
import type { StagedAttempt } from '../../lib/model/attempt.ts';

const attempt = (over: { env?: object; number?: number; gpuUuids?: string[]; history?: object[] } = {}) =>
  ({
    request: { env: over.env ?? {} },
    workspace: { root: '/home/experiments/abc.0', home: '/home', tmp: '/home/experiments/abc.0/_runner/tmp' },
    grant: { amounts: { cores: 3 }, gpuUuids: over.gpuUuids ?? [] },
    identity: { number: over.number ?? 1 },
    delivery: { history: over.history ?? [] },
  }) as unknown as StagedAttempt;

const use: ExperimentEnvSettings = {
  runnerEnv: {
    PATH: '/usr/bin',
    LC_ALL: 'C',
    https_proxy: 'http://p',
    HF_TOKEN: 'hush',
    PIP_INDEX_URL: 'x',
    PATHS: 'y',
  },
  patterns: ['PATH', 'LC_*', '*_PROXY', 'HF_*'],
  bins: ['/own/bin', '/shared/bin'],
  virtualEnv: '/own',
};

t.test('what the patterns name is passed on, less what looks secret', t => {
  const env = experimentEnv(attempt(), use);
  t.match(env, { LC_ALL: 'C', https_proxy: 'http://p', PATH: '/own/bin:/shared/bin:/usr/bin', VIRTUAL_ENV: '/own' });
  for (const name of ['HF_TOKEN', 'PIP_INDEX_URL', 'PATHS']) t.notOk(name in env, name);
  t.end();
});

t.test('it says where the experiment is and what it was granted', t => {
  t.match(experimentEnv(attempt(), use), {
    STUDIOML_EXPERIMENT: 'abc.0',
    STUDIOML_HOME: '/home',
    TMPDIR: '/home/experiments/abc.0/_runner/tmp',
    AWS_SDK_LOAD_CONFIG: '1',
    PYTHONUNBUFFERED: '1',
    OMP_NUM_THREADS: '3',
    MKL_NUM_THREADS: '3',
    OPENBLAS_NUM_THREADS: '3',
    GOTO_NUM_THREADS: '3',
    CUDA_VISIBLE_DEVICES: '-1',
    NVIDIA_VISIBLE_DEVICES: '-1',
  });
  t.end();
});

t.test("the cores granted win over the runner's own numbers of threads, the request over both", t => {
  const own = { OMP_NUM_THREADS: '64', MKL_NUM_THREADS: '64', OMP_PROC_BIND: 'close' };
  const settings = { ...use, runnerEnv: own, patterns: ['OMP_*', 'MKL_NUM_THREADS'] };
  const env = experimentEnv(attempt({ env: { OMP_NUM_THREADS: '1' } }), settings);
  t.match(env, { OMP_NUM_THREADS: '1', MKL_NUM_THREADS: '3', OMP_PROC_BIND: 'close' });
  t.end();
});

t.test('cards granted are named, whatever the request says of them', t => {
  const env = experimentEnv(attempt({ gpuUuids: ['GPU-1', 'GPU-2'], env: { CUDA_VISIBLE_DEVICES: '0,1,2' } }), use);
  t.match(env, { CUDA_VISIBLE_DEVICES: 'GPU-1,GPU-2', NVIDIA_VISIBLE_DEVICES: 'GPU-1,GPU-2' });
  t.end();
});

t.test("the request's variables win over the runner's and are expanded, secrets never", t => {
  const env = experimentEnv(attempt({ env: { LC_ALL: 'de', A: '%PATH%:x', B: '%HF_TOKEN%' } }), use);
  t.match(env, { LC_ALL: 'de', A: '/usr/bin:x', B: '%HF_TOKEN%' });
  t.end();
});

t.test('the marker can not be set by the request', t => {
  const one = attempt({ env: { STUDIOML_EXPERIMENT: 'other' } });
  t.equal(experimentEnv(one, use)['STUDIOML_EXPERIMENT'], markerOf(one));
  t.end();
});

t.test('a later attempt knows its number and why the last one failed, a first one has neither', t => {
  const history = [{ cause: 'exited' }, { cause: 'out-of-memory' }];
  t.match(experimentEnv(attempt({ number: 3, history }), use), {
    STUDIOML_ATTEMPT: '3',
    STUDIOML_PREVIOUS_FAILURE: 'out-of-memory',
  });
  t.notOk('STUDIOML_ATTEMPT' in experimentEnv(attempt(), use));
  t.end();
});
