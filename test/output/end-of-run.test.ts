import t from 'tap';
import { AttemptError } from '../../lib/errors.ts';
import type { End, Exit } from '../../lib/model/outcome.ts';
import { endOfRun, exitCodeOf } from '../../lib/output/end-of-run.ts';

const exit = (parts: Partial<Exit>): Exit => ({ code: 0, signal: null, startedAtMs: 1, endedAtMs: 2, ...parts });
const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
const broken = Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' });
const late = new AttemptError('stopping', 'the runner is stopping');

const cases: [string, End, Partial<End>][] = [
  ['code 0', endOfRun(exit({})), { cause: 'completed', message: 'exited with code 0' }],
  ['another code', endOfRun(exit({ code: 3 })), { cause: 'exited', message: 'exited with code 3' }],
  ['a signal', endOfRun(exit({ code: null, signal: 'SIGSEGV' })), { cause: 'killed', message: 'killed by SIGSEGV' }],
  [
    'a stop',
    endOfRun(exit({ stoppedBy: 'max-duration' })),
    { cause: 'max-duration', message: 'stopped: max-duration' },
  ],
  [
    'a stop with a reason',
    endOfRun(exit({ stoppedBy: 'stopping' }), late),
    { cause: 'stopping', message: 'the runner is stopping' },
  ],
  [
    'a stop before another',
    endOfRun(exit({ stoppedBy: 'cancelled' }), late),
    { cause: 'cancelled', message: 'stopped: cancelled' },
  ],
  [
    'a full disk',
    endOfRun(exit({ stoppedBy: 'out-of-disk', code: null, signal: 'SIGKILL' }), undefined, full),
    { cause: 'out-of-disk' },
  ],
  [
    'a full disk at the very end',
    endOfRun(exit({}), undefined, full),
    { cause: 'out-of-disk', message: `writing output/output failed: ${full.message}` },
  ],
  ['a broken disk', endOfRun(exit({}), undefined, broken), { cause: 'internal' }],
  ['a stop before a full disk', endOfRun(exit({ stoppedBy: 'lease-lost' }), undefined, full), { cause: 'lease-lost' }],
];
for (const [title, end, expected] of cases) {
  t.test(`the end by ${title} is ${expected.cause}`, async t => {
    t.match(end, expected);
  });
}

t.test('an exit is one number, as a shell says it', async t => {
  t.equal(exitCodeOf(exit({ code: 3 })), 3);
  t.equal(exitCodeOf(exit({ code: null, signal: 'SIGKILL' })), 137);
});
