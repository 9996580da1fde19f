import t from 'tap';
import { createQuarantine, type Ending } from '../../lib/resources/quarantine.ts';
import { VirtualTime } from '../helpers/virtual-time.ts';

const scene = (lookAtCards: () => Promise<void> = () => Promise.resolve()) => {
  const done: string[] = [];
  const time = new VirtualTime();
  const quarantine = createQuarantine({
    emit: (event, fields) => done.push(`${event} ${'gpu' in fields ? String(fields.gpu) : ''}`.trim()),
    pause: () => done.push('pause'),
    resume: () => done.push('resume'),
    setAside: gpu => done.push(`aside ${gpu}`),
    putBack: gpu => done.push(`back ${gpu}`),
    lookAtCards,
    firstMs: 1000,
    longestMs: 4000,
    later: (ms, work) => {
      time.after(ms, work);
      return () => undefined;
    },
  });
  const end = (cause: Ending['cause'], project: string, gpus: readonly string[] = []) => {
    quarantine.ended({ cause, project, gpus, ran: cause === 'exited' || cause === 'completed' });
  };
  const fails = (...projects: string[]) => {
    for (const project of projects) end('engine-fault', project);
  };
  return { quarantine, done, end, fails, time };
};
t.test('three failures of the machine over two projects stop it, fewer or of one do not', async t => {
  const { quarantine, done, fails } = scene();
  fails('a', 'a', 'a', 'a');
  t.strictSame(done, []);
  fails('b');
  t.strictSame(done, ['pause', 'quarantined']);
  t.match(quarantine.reason, /5 failures/);
  fails('c');
  t.equal(done.length, 2, 'it is stopped once');
});

t.test('what ran in between shows that the machine works; what never ran shows nothing', async t => {
  const { done, end, fails } = scene();
  fails('a', 'b');
  end('exited', 'c');
  fails('a', 'b');
  t.strictSame(done, []);
  end('artifact-missing', 'c');
  fails('a');
  t.strictSame(done, ['pause', 'quarantined']);
});

t.test('after a time it is tried again: a failure puts it back for longer, a success ends it', async t => {
  const { done, end, fails, time, quarantine } = scene();
  fails('a', 'b', 'c');
  await time.run();
  t.equal(time.nowMs, 1000);
  t.strictSame(done.splice(0), ['pause', 'quarantined', 'quarantine-ended', 'resume']);
  t.equal(quarantine.reason, undefined);
  fails('a');
  await time.run();
  t.equal(time.nowMs, 3000);
  t.strictSame(done.splice(0), ['pause', 'quarantined', 'quarantine-ended', 'resume']);
  end('completed', 'a');
  fails('a', 'b');
  t.strictSame(done, []);
  fails('a', 'b');
  t.strictSame(done, ['pause', 'quarantined']);
  await time.run();
  t.equal(time.nowMs, 4000, 'as the first time');
});

t.test('a card waits on, ever longer, while cards can not be looked at; the machine does not', async t => {
  let looks = 0;
  const { done, end, fails, time } = scene(() =>
    (looks += 1) < 5 ? Promise.reject(new Error('no')) : Promise.resolve(),
  );
  fails('a', 'b', 'c');
  await time.run();
  t.equal(time.nowMs, 1000);
  t.strictSame(done.splice(0), ['pause', 'quarantined', 'quarantine-ended', 'resume']);
  for (const project of ['a', 'b']) end('gpu-fault', project, ['one']);
  await time.run();
  t.equal(time.nowMs, 1000 + 1000 + 2000 + 3 * 4000);
  t.strictSame(done, ['aside one', 'gpu-quarantined one', 'quarantine-ended one', 'back one']);
});

t.test('cards that can not be looked at are no failure of the machine', async t => {
  const { done, end, quarantine } = scene();
  for (const project of ['a', 'b', 'c', 'd']) end('gpu-fault', project);
  t.strictSame(done, []);
  t.equal(quarantine.reason, undefined);
});

t.test('a card that fails two projects is granted no more, the runner goes on', async t => {
  const { done, end, time } = scene();
  end('gpu-fault', 'a', ['one']);
  end('gpu-fault', 'a', ['one']);
  t.strictSame(done, []);
  end('gpu-fault', 'b', ['one', 'two']);
  t.strictSame(done.splice(0), ['aside one', 'gpu-quarantined one']);
  await time.run();
  t.strictSame(done.splice(0), ['quarantine-ended one', 'back one']);
  end('completed', 'b', ['one']);
  end('gpu-fault', 'b', ['one']);
  t.strictSame(done, []);
});
