import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import t from 'tap';
import { runCheck } from '../../bin/check.ts';
import { s3Check } from '../../bin/checks/s3.ts';
import { loadOptions } from '../../lib/config/load.ts';
import { readS3Tls } from '../../lib/storage/s3/tls.ts';

const none = { s3Ca: undefined, s3Cert: undefined, s3Key: undefined };

t.test('without files there is nothing to read', async t => {
  t.equal(readS3Tls(none), undefined);
});

t.test('every file that can not be used is told, with what was expected', async t => {
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  const home = t.testdir({ words: 'no certificate', broken, real: rootCertificates[0] ?? '', key: 'no key' });
  const at = (name: string) => join(home, name);
  for (const [files, faults] of [
    [{ s3Ca: at('none') }, [/^S3_CA: .*ENOENT.*expected a PEM file/]],
    [
      { s3Ca: at('words'), s3Cert: at('broken') },
      [/^S3_CA: no certificate in .*words/, /^S3_CERT: a certificate in .*broken/],
    ],
    [{ s3Cert: at('real'), s3Key: at('key') }, [/^S3_CERT, S3_KEY: they can not be used/]],
  ] as const)
    t.throws(() => readS3Tls({ ...none, ...files }), { name: 'OptionsError', faults });
});

t.test('an authority is read, and another one has another id', async t => {
  const home = t.testdir();
  const [one, other] = rootCertificates.slice(0, 2).map((pem, index) => {
    const file = join(home, String(index));
    writeFileSync(file, pem);
    return readS3Tls({ ...none, s3Ca: file });
  });
  t.ok(one?.context);
  t.not(one?.id, other?.id);
});

t.test('a certificate without its key is told at the start, and the check tells of the files', async t => {
  t.throws(() => loadOptions([], { QUEUE_ROOT: '/q', S3_CERT: '/c' }), { message: /S3_CERT.*S3_KEY.*only one/ });
  const find = (env: Record<string, string>) => runCheck(s3Check, loadOptions([], { QUEUE_ROOT: '/q', ...env }));
  t.match(await find({}), { status: 'ok' });
  t.match(await find({ S3_CA: '/no/such' }), { status: 'failure', found: /S3_CA: .*ENOENT/, remedy: /S3_CA/ });
});
