import t from 'tap';
import { installerEnv } from '../../lib/executors/installer-env.ts';

t.test("the runner's own of the tools reaches them, and nothing that is secret", t => {
  const env = installerEnv({
    PATH: '/bin',
    PIP_CERT: '/ca',
    https_proxy: 'http://p',
    AMQP_URL: 'x',
    AWS_SECRET_ACCESS_KEY: 'y',
  });
  t.match(env, { PATH: '/bin', PIP_CERT: '/ca', https_proxy: 'http://p' });
  t.notOk('AMQP_URL' in env || 'AWS_SECRET_ACCESS_KEY' in env);
  t.end();
});

t.test(
  "of git's variables those reach the tools that say how repositories are reached, not what may be a secret",
  t => {
    const harmless = {
      GIT_SSL_CAINFO: '/ca',
      GIT_SSL_KEY: '/key',
      GIT_SSH_COMMAND: 'ssh -i /id',
      GIT_ASKPASS: '/askpass',
    };
    const secret = ['GIT_TOKEN', 'GIT_PASSWORD', 'GIT_HTTP_EXTRAHEADER', 'GIT_CONFIG_VALUE_0', 'GIT_CONFIG_PARAMETERS'];
    const env = installerEnv({ ...harmless, ...Object.fromEntries(secret.map(name => [name, 'hush'])) });
    t.match(env, harmless);
    t.notOk(Object.values(env).includes('hush'));
    t.end();
  },
);

t.test('an index is said in the words of both tools, those of the request before those of the runner', t => {
  const env = installerEnv(
    { PIP_INDEX_URL: 'http://runner/simple', UV_FIND_LINKS: '/a,/b' },
    { PIP_EXTRA_INDEX_URL: 'http://one http://two', UV_INDEX_URL: 'http://own', PIP_TRUSTED_HOST: 'one' },
  );
  t.match(env, {
    UV_DEFAULT_INDEX: 'http://own',
    PIP_INDEX_URL: 'http://own',
    PIP_EXTRA_INDEX_URL: 'http://one http://two',
    UV_INDEX: 'http://one http://two',
    PIP_FIND_LINKS: '/a /b',
    UV_INSECURE_HOST: 'one',
    UV_INDEX_STRATEGY: 'unsafe-best-match',
  });
  t.equal(
    installerEnv({}, { UV_INDEX: 'own=http://user:pw@host/simple http://two' })['PIP_EXTRA_INDEX_URL'],
    'http://user:pw@host/simple http://two',
  );
  t.end();
});

t.test('a request does not say where the tools write, or which Python they use', t => {
  const env = installerEnv(
    {},
    {
      PIP_TARGET: '/',
      UV_CACHE_DIR: '/',
      UV_PYTHON: '/p',
      PIP_CONFIG_FILE: '/c',
      HOME: '/h',
      UV_PYTHON_DOWNLOADS: 'x',
    },
  );
  t.strictSame(Object.keys(env).sort(), ['UV_INDEX_STRATEGY', 'UV_PYTHON_DOWNLOADS']);
  t.equal(env['UV_PYTHON_DOWNLOADS'], 'never');
  t.end();
});
