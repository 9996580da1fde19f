import t from 'tap';
import { secretsOf } from '../../lib/request/secrets-of.ts';

t.test('the values of every kind of credentials are found, users, regions and access keys are not', async t => {
  const credentials = {
    aws: {
      access_key: 'A',
      secret_access_key: 'secret-1',
      secret_key: 'secret-2',
      session_token: 'secret-3',
      region: 'r',
    },
    plain: { user: 'u', password: 'secret-4' },
    jwt: { token: 'secret-5' },
  };
  const raw = {
    experiment: { key: 'id', artifacts: { secret: { key: 'object', bucket: 'b', credentials } } },
    config: {
      env: { API_TOKEN: 'secret-6', AWS_ACCESS_KEY_ID: 'A', HOME: '/h' },
      database: { credentials: { plain: { password: 'secret-7' } } },
      cloud: { queue: { rmq: 'amqp://u:secret%2D8@h/v' } },
      pip: ['git+https://u:secret-9@host/x.git'],
      runner: { slack_hook: 'secret-10' },
    },
  };
  const expected = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(number => `secret-${String(number)}`);
  t.same(new Set(secretsOf(raw)), new Set([...expected, 'secret%2D8']));
});

t.test('texts without secrets have none', async t => {
  t.same(secretsOf({ experiment: { key: 'k', args: ['https://host/a:b'], artifacts: { token: { key: 'x' } } } }), []);
});

t.test(
  'variables of config.env: numbers, one named key, and what the experiment sees of others that they refer to',
  async t => {
    const env = {
      DB_PASSWORD: 98765432101234,
      key: 'secret-1',
      TOKEN: 'a-%USER%',
      URL: 'http://u:pw-%USER%@h',
      EPOCHS: 20,
    };
    const found = ['98765432101234', 'secret-1', 'a-%USER%', 'a-me', 'pw-%USER%', 'pw-me'];
    t.same(new Set(secretsOf({ config: { env } }, { USER: 'me' })), new Set(found));
  },
);
