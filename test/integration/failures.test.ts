/** Programs that fail or leave something behind, in one way each, through the whole runner. */
import t from 'tap';
import { judge, type Expected } from '../helpers/judge.ts';
import { PipelineScene } from '../helpers/pipeline-scene.ts';

const exited = (code: number, stderr?: RegExp): Expected => ({
  cause: 'exited',
  failure: { cause: 'exited', exit_code: code, ...(stderr && { stderr: { length: Number } }) },
});
const killed = (signal: string): Expected => ({ cause: 'killed', failure: { cause: 'killed', signal } });
const completed: Expected = { cause: 'completed' };

t.test('each program that fails is told by its cause, with evidence', { timeout: 110_000 }, async t => {
  await judge(t, new PipelineScene(t, { MAX_CORES: '6' }), {
    'exit-3': exited(3),
    'exit-137': exited(137),
    'exit-255': exited(255),
    'exits-in-a-thread': exited(7),
    'closes-its-streams': exited(4),
    raises: exited(1, /ValueError: it is wrong/),
    'syntax-error': exited(1, /SyntaxError/),
    'imports-nothing': exited(1, /no_such_module_anywhere/),
    recurses: exited(1, /RecursionError/),
    'removes-its-workspace': exited(1, /FileNotFoundError/),
    'kills-itself': killed('SIGSEGV'),
    'kills-itself-hard': killed('SIGKILL'),
    'kills-its-group': killed('SIGKILL'),
    'terminates-itself': killed('SIGTERM'),
    'faults-in-arithmetic': killed('SIGFPE'),
    aborts: killed('SIGABRT'),
    daemon: completed,
    'own-session': completed,
    'own-session-deaf': completed,
    'sleeping-child': completed,
    'reads-stdin': completed,
  });
});
