import { lastValueFrom, of } from 'rxjs';
import t from 'tap';
import { AttemptError } from '../../lib/errors.ts';
import { createScope } from '../../lib/flow/scope.ts';
import type { OpenedAttempt } from '../../lib/model/attempt.ts';
import { guard } from '../../lib/stages/guard.ts';
import { createRedactor } from '../../lib/telemetry/redact.ts';

const guarded = (env: Readonly<Record<string, unknown>>) => {
  const redactor = createRedactor();
  const scope = createScope((_name, error) => {
    throw error;
  });
  const attempt = { message: { config: { env } }, scope } as unknown as OpenedAttempt;
  const use = { redactor, openEnv: { HOST: 'gpu-7' } };
  return { redactor, scope, attempt: lastValueFrom(of(attempt).pipe(guard(use))) };
};
const many = (count: number, value: (number: number) => string) =>
  Object.fromEntries(Array.from({ length: count }, (_, number) => [`A${number}_KEY`, value(number)]));

t.test(
  'the secrets of a request are known until its scope closes, as they are sent and as the experiment gets them',
  async t => {
    const { redactor, scope, attempt } = guarded({
      DB_PASSWORD: 98765432101234,
      API_TOKEN: 'hush-%HOST%-hush',
      PIN_KEY: '1',
    });
    t.same((await attempt).secrets, ['98765432101234', 'hush-%HOST%-hush', 'hush-gpu-7-hush']);
    const text = 'a 98765432101234 b hush-gpu-7-hush c';
    t.equal(redactor.redact(text), 'a [redacted] b [redacted] c');
    await scope.close();
    t.equal(redactor.redact(text), text);
  },
);

t.test('a request with more secrets than any has is refused, and none of them is shown', async t => {
  await guarded(many(1000, number => `secret-${number}`)).attempt;
  await guarded(many(2000, () => 'the same one')).attempt;
  for (const env of [many(1001, number => `secret-${number}`), many(60, number => `${number}`.repeat(10_000))]) {
    const { attempt } = guarded(env);
    const error: unknown = await attempt.catch((reason: unknown) => reason);
    t.ok(error instanceof AttemptError);
    t.match(error, { code: 'not-a-request', message: /values that look secret, \d+ bytes of them; expected 1000 / });
    t.notMatch(String(error), 'secret-');
  }
});
