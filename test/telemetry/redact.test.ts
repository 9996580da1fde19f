import t from 'tap';
import { createRedactor, passwordsOf } from '../../lib/telemetry/redact.ts';

t.test('with no secret known a text is given back as it is', async t => {
  const text = 'nothing to hide';
  t.equal(createRedactor().redact(text), text);
});

t.test('a secret is replaced wherever it stands, plain, URL-encoded and as JSON writes it', async t => {
  const redactor = createRedactor();
  const secret = 'pa"ss/w rd\\x';
  redactor.add(secret);
  const line = JSON.stringify({
    a: secret,
    url: `http://u:${encodeURIComponent(secret)}@h/${encodeURI(secret)}`,
    b: secret,
  });
  t.equal(redactor.redact(line), '{"a":"[redacted]","url":"http://u:[redacted]@h/[redacted]","b":"[redacted]"}');
  t.equal(redactor.redact(`${secret}${secret}`), '[redacted][redacted]');
});

t.test('secrets shorter than 8 bytes are let be, bytes and not characters count', async t => {
  const redactor = createRedactor();
  redactor.add('1234567');
  redactor.add('ääää');
  t.equal(redactor.redact('1234567 ääää'), '1234567 [redacted]');
});

for (const [name, other, text, clean] of [
  ['a secret that contains another goes as a whole', 'x12345678y', 'x12345678y 12345678', '[redacted] [redacted]'],
  ['secrets that overlap go as one', '5678abcdef', 'x 12345678abcdef y', 'x [redacted] y'],
] as const)
  t.test(name, async t => {
    const redactor = createRedactor();
    redactor.add('12345678');
    redactor.add(other);
    t.equal(redactor.redact(text), clean);
  });

t.test('replacement patterns in texts and secrets are no patterns', async t => {
  const redactor = createRedactor();
  redactor.add('$&$1.*[secret]');
  t.equal(redactor.redact('a $&$1.*[secret] $& b'), 'a [redacted] $& b');
});

t.test('a secret is known as long as somebody has it', async t => {
  const redactor = createRedactor();
  const first = redactor.add('the secret');
  const second = redactor.add('the secret');
  first();
  first();
  t.equal(redactor.redact('the secret'), '[redacted]', 'a second call of the same forgets nothing of others');
  second();
  t.equal(redactor.redact('the secret'), 'the secret');
});

t.test('a secret that is no well-formed Unicode does no harm', async t => {
  const redactor = createRedactor();
  redactor.add('\ud800 half a pair');
  t.equal(redactor.redact('x \ud800 half a pair'), 'x [redacted]');
});

t.test('a secret goes in base64 too, wherever it stands in what was encoded', async t => {
  const redactor = createRedactor();
  redactor.add('the?secret>');
  for (const before of ['', 'a', 'ab', 'abc']) {
    for (const encoding of ['base64', 'base64url'] as const) {
      const clean = redactor.redact(Buffer.from(`${before}the?secret>.`).toString(encoding));
      t.notMatch(Buffer.from(clean, encoding).toString(), /secret/);
      t.match(clean, /\[redacted\]/);
    }
  }
});

t.test('what one secret costs does not grow with their number', async t => {
  const redactor = createRedactor();
  // With work in proportion to those that are known this would take many minutes.
  const forget = Array.from({ length: 15_000 }, (_, number) => redactor.add(`secret/${String(number)}+`));
  t.equal(redactor.redact('a secret/14999+ b secret%2F7%2B c secret/x+'), 'a [redacted] b [redacted] c secret/x+');
  for (const one of forget.slice(1)) one();
  t.equal(redactor.redact('secret/14999+ secret/0+'), 'secret/14999+ [redacted]');
});

t.test('passwords of URLs are found as written and decoded', async t => {
  t.same(passwordsOf(['amqp://u:p%40ss@h', 'http://h', 'no url', 'amqp://u:100%@h']), ['p%40ss', 'p@ss', '100%']);
});
