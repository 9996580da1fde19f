import { readdirSync } from 'node:fs';
import t from 'tap';
import { runCommand } from '../helpers/run-command.ts';

t.test('files and directories that can not be read are named before anything is stored', async t => {
  const directory = t.testdir({ program: { 'main.py': '' }, store: {}, queues: {}, key: 'none' });
  const submit = (...more: readonly string[]) =>
    runCommand(['submit', ...more, '--queue', 'local_a', '--store', `${directory}/store/bucket`], {
      QUEUE_ROOT: `${directory}/queues`,
    });
  const program = `${directory}/program`;
  const refused: readonly (readonly [words: readonly string[], stderr: string])[] = [
    [[`${directory}/none`], `submit: there is no directory ${directory}/none; expected the workspace`],
    [[program, '--filename', 'none.py'], `--filename: there is no file "none.py" in ${program}; expected the program`],
    [[program, '--requirements', '/none'], '--requirements: /none: there is no such file'],
    [[program, '--requirements', directory], `--requirements: ${directory}: it is a directory`],
    [[program, '--seal', '/none', '--sign', '/none'], '--seal: /none: there is no such file'],
  ];
  const ends = await Promise.all(refused.map(([words]) => submit(...words)));
  for (const [at, [, stderr]] of refused.entries())
    t.strictSame(ends[at], { code: 2, stdout: '', stderr: `runner: ${stderr}\n` });
  const { code, stderr } = await submit(program, '--seal', `${directory}/key`, '--sign', '/none');
  t.equal(code, 2);
  t.match(stderr, /^runner: --seal: \S+\/key: it holds no public key in PEM; expected .*\n$/);
  t.strictSame(readdirSync(`${directory}/store`), []);
});

t.test('queues and brokers that are not there are named', async t => {
  const root = t.testdir({});
  t.strictSame(await runCommand(['record', '--queue', 'local_none', '--queue-root', root]), {
    code: 1,
    stdout: '',
    stderr: 'runner: there is no such queue [queue=local_none]\n',
  });
  for (const words of [
    ['record', '--queue', 'rmq_none'],
    ['dead', 'list'],
  ])
    t.match(await runCommand(words, { AMQP_URL: 'amqp://user:hunter22@127.0.0.1:1/%2f' }), {
      code: 1,
      stdout: '',
      stderr:
        /^runner: the broker can not be reached \[broker=127\.0\.0\.1:1\/%2f\]: .*ECONNREFUSED.*; runner check looks why\n$/,
    });
});

t.test('places where nothing can be written are named, and not waited for', async t => {
  const directory = t.testdir({ program: { 'main.py': '' }, queues: {} });
  const submit = ['submit', `${directory}/program`, '--queue', 'local_a'];
  const nowhere = "ENOENT: no such file or directory, mkdir '/proc/none'";
  const refused: readonly (readonly [words: readonly string[], code: number, stderr: string])[] = [
    [['keys', 'sender', '--out', '/proc/none'], 1, `keys: nothing was written: ${nowhere}; choose another --out`],
    [
      [...submit, '--store', '/proc/none', '--queue-root', `${directory}/queues`],
      2,
      `--store (SUBMIT_STORE): /proc/none can not be made: ${nowhere}; choose another`,
    ],
    [
      [...submit, '--store', `${directory}/store/bucket`, '--queue-root', '/proc/none'],
      1,
      `the request could not be sent [queue=local_a]: ${nowhere}; runner check looks why`,
    ],
    [
      ['dead', 'list', '--queue-root', '/proc/none'],
      1,
      '/proc/none: there is no such directory; runner check looks why',
    ],
  ];
  for (const [words, code, stderr] of refused)
    t.strictSame(await runCommand(words), { code, stdout: '', stderr: `runner: ${stderr}\n` });
});

t.test('a command without its argument says what it expected', async t => {
  const expected: Readonly<Record<string, string>> = {
    keys: 'keys: found nothing, expected one of cluster, sender, response',
    completion: 'completion: found nothing, expected bash, zsh or fish',
    dead: 'dead: found no action, expected list, show, requeue or drop',
  };
  for (const [command, stderr] of Object.entries(expected))
    t.match(await runCommand([command]), { code: 2, stdout: '', stderr: `runner: ${stderr}\n` });
  t.match(await runCommand(['keys', 'cluster', '--fast']), {
    code: 2,
    stderr: "runner: keys: Unknown option '--fast'; runner keys --help lists the options\n",
  });
});
