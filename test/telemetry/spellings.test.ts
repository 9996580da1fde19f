import { execFileSync } from 'node:child_process';
import t from 'tap';
import { createRedactor } from '../../lib/telemetry/redact.ts';
import { spellingsOf } from '../../lib/telemetry/spellings.ts';

/** Prints the secret that it reads as Python's own libraries encode it, a way a line. */
const encoder = `
import json, sys
from urllib.parse import quote, quote_plus, urlencode
secret = sys.stdin.buffer.read().decode()
for text in (quote(secret), quote(secret, safe=''), quote_plus(secret), urlencode({'a': secret}), json.dumps(secret)):
    print(text)
    print(__import__('re').sub('%..', lambda octet: octet.group().lower(), text))
`;
const secrets = ["p/a+s=s w*o!r(d)'~", 'schlüssel/für alle', 'plain-secret_1.0', 'a"b\\c/d e&f%20'];

t.test("what Python's urllib and json make of a secret is taken out", async t => {
  for (const secret of secrets) {
    const redactor = createRedactor();
    redactor.add(secret);
    const lines = execFileSync('python3', ['-c', encoder], { input: secret }).toString().trimEnd().split('\n');
    t.equal(lines.length, 10);
    for (const line of lines) t.match(redactor.redact(line), /^(a=)?"?\[redacted\]"?$/, line);
  }
});

t.test('what forms make of a secret is taken out', async t => {
  for (const secret of secrets) {
    const redactor = createRedactor();
    redactor.add(secret);
    t.equal(redactor.redact(new URLSearchParams({ a: secret }).toString()), 'a=[redacted]');
  }
});

t.test('a secret that no encoding of URLs changes has few spellings', async t => {
  t.equal(spellingsOf('plain-secret_1.0').length, 4);
  const some = spellingsOf(secrets[0] ?? '');
  t.equal(new Set(some).size, some.length);
});
