import { pipe } from 'rxjs';
import t from 'tap';
import {
  decrypt,
  execute,
  ingest,
  parse,
  provision,
  type DecryptContext,
  type ExecuteContext,
  type IngestContext,
} from '../../lib/index.ts';

t.test('a stage that is placed too early does not compile', async t => {
  const wrong = (use: ExecuteContext & IngestContext & DecryptContext) => {
    // @ts-expect-error execute needs a ReadyAttempt, and parse gives a RequestedAttempt
    pipe(parse(), execute(use));
    // @ts-expect-error decrypt needs a VerifiedAttempt: nothing is opened that nobody has signed
    pipe(ingest(use), decrypt(use));
    // @ts-expect-error provision needs a StagedAttempt
    return pipe(parse(), provision(use));
  };
  t.type(wrong, 'function');
});
