import t from 'tap';
import { deadlineMs, expandEnv } from '../../lib/request/effective.ts';
import { openEnv } from '../../lib/request/open-env.ts';
import { isSecretMember, looksSecret } from '../../lib/request/secrets.ts';

t.test('a lifetime counts from the time a request was added', async t => {
  t.equal(deadlineMs({ timeAddedSeconds: 1000.5, lifetimeMs: 60_000 }), 1_060_500);
  t.equal(deadlineMs({ timeAddedSeconds: 1000.5 }), undefined);
  t.equal(deadlineMs({ lifetimeMs: 60_000 }), undefined);
});

t.test("the runner's own variables are put in where they are set and no secrets", async t => {
  const runner = { HOME: '/home/r', EMPTY: '', AWS_SECRET_ACCESS_KEY: 's', PCT: '%HOME%', UNSET: undefined };
  const expanded = (value: string) => expandEnv({ A: value }, openEnv(runner))['A'];
  t.equal(expanded('%HOME%/x:%HOME%'), '/home/r/x:/home/r');
  t.equal(expanded('[%EMPTY%]'), '[]');
  t.equal(expanded('%AWS_SECRET_ACCESS_KEY%'), '%AWS_SECRET_ACCESS_KEY%');
  t.equal(expanded('%NOPE% %UNSET% 100% %toString% %__proto__%'), '%NOPE% %UNSET% 100% %toString% %__proto__%');
  t.equal(expanded('%PCT%'), '%HOME%', 'once only');
});

t.test('a variable named __proto__ is a variable like others', async t => {
  const env = expandEnv(JSON.parse('{"__proto__": "x"}') as Record<string, string>, {});
  t.same(Object.entries(env), [['__proto__', 'x']]);
});

t.test('names tell secrets in any case', async t => {
  for (const name of ['API_KEY', 'aws_secret', 'GithubToken', 'PGPASSWORD', 'passphrase', 'credentials']) {
    t.ok(looksSecret(name), name);
    t.ok(isSecretMember(name), name);
  }
  for (const name of ['HOME', 'HELLO', 'bucket']) t.notOk(looksSecret(name), name);
  t.notOk(isSecretMember('key'), 'the id of an experiment');
});
