import t from 'tap';
import { AttemptError } from '../../lib/errors.ts';
import { endOf } from '../../lib/stages/recover.ts';
import { createRedactor } from '../../lib/telemetry/redact.ts';

t.test('an error without a cause is a fault of this program, unless the machine had nothing left', t => {
  const causeOf = (error: unknown) => endOf(error, { redactor: createRedactor() }).cause;
  const withCode = (code: string) => Object.assign(new Error(code), { code });
  t.equal(causeOf(new AttemptError('environment', 'no such package')), 'environment');
  t.equal(causeOf(new TypeError('undefined is not a function')), 'internal');
  t.equal(causeOf(withCode('ENOENT')), 'internal');
  t.equal(causeOf(withCode('EMFILE')), 'engine-fault');
  t.end();
});
