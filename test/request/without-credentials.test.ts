import t from 'tap';
import { withoutCredentials, withoutUrlSecrets } from '../../lib/request/without-credentials.ts';
import { clearMessages, parseBody, recorded } from '../helpers/recorded.ts';

for (const name of clearMessages) {
  t.test(`${name} loses its secrets and nothing else`, async t => {
    const raw = parseBody(recorded(name)).raw;
    const before = JSON.stringify(raw);
    const text = JSON.stringify(withoutCredentials(raw));
    t.notMatch(text, /minio123456|guest:guest|credentials/);
    t.equal(JSON.stringify(raw), before, 'the request itself is untouched');
    const cleaned = before
      .replaceAll(/,"credentials":\{"aws":\{[^}]*\}\}/g, '')
      .replace('amqp://guest:guest@', 'amqp://');
    t.equal(text, cleaned);
  });
}

t.test('secrets go wherever they stand', async t => {
  const raw = {
    experiment: {
      key: 'k',
      artifacts: {
        api_keys: { key: 'a', credentials: { jwt: { token: 'S' } }, secret: 'S' },
        artifacts: { credentials: 'S' },
      },
      info: [{ deep: { password: 'S' } }],
      pythonenv: ['git+https://S@github.com/x/y'],
    },
    config: {
      env: { WANDB_API_KEY: 'S', PLAIN: 'p', PIN_TOKEN: 5 },
      runner: { slack_hook: 'S', note: 'see https://hooks.slack.com/services/S/S/S !' },
      storage: { endpoint: 'http://u:S@host:9000/p@q' },
    },
  };
  t.same(withoutCredentials(raw), {
    experiment: {
      key: 'k',
      artifacts: { api_keys: { key: 'a' }, artifacts: {} },
      info: [{ deep: {} }],
      pythonenv: ['git+https://github.com/x/y'],
    },
    config: {
      env: { PLAIN: 'p' },
      runner: { note: 'see [removed] !' },
      storage: { endpoint: 'http://host:9000/p@q' },
    },
  });
});

t.test('URLs lose user, password and signature, and stay what they are otherwise', async t => {
  const rows: [string, string][] = [
    ['amqp://u:p/w@h:5672/%2f', 'amqp://h:5672/%2f'],
    [
      'https://h/o?X-Amz-Signature=S&X-Amz-Date=D&X-Amz-Credential=S&sig=S',
      'https://h/o?X-Amz-Signature=[removed]&X-Amz-Date=D&X-Amz-Credential=[removed]&sig=[removed]',
    ],
    ['s3://127.0.0.1:9000/studio/user@x/a.tar', 's3://127.0.0.1:9000/studio/user@x/a.tar'],
    ['http://a:b@c@d/e', 'http://d/e'],
    ['u:p@h', 'u:p@h'],
  ];
  for (const [text, clean] of rows) t.equal(withoutUrlSecrets(text), clean);
});

t.test('a variable named key is no id', async t => {
  const raw = { experiment: { key: 'e' }, config: { env: { key: 'secret', MODE: 'full' } } };
  t.same(withoutCredentials(raw), { experiment: { key: 'e' }, config: { env: { MODE: 'full' } } });
});

t.test('a member named __proto__ does no harm', async t => {
  const copy = withoutCredentials(JSON.parse('{"__proto__": {"polluted": 1}, "a": 1}') as Record<string, unknown>);
  t.same(Object.keys(copy), ['__proto__', 'a']);
  t.equal((copy as { polluted?: unknown }).polluted, undefined);
  t.equal(({} as { polluted?: unknown }).polluted, undefined);
});

t.test('no text takes long', async t => {
  const start = performance.now();
  for (const part of ['://', '://a@', 'amqp://', '?', '&a', '?a=', '@', 'https://hooks.slack.com/']) {
    withoutUrlSecrets(`x://${part.repeat(Math.floor(1e6 / part.length))}`);
    withoutUrlSecrets(`amqp://${part.repeat(Math.floor(1e6 / part.length))}`);
  }
  t.ok(performance.now() - start < 10_000, `${performance.now() - start} ms`);
});
