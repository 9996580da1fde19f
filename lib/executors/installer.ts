import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { AttemptError } from '../errors.ts';
import { sleep } from '../flow/wait.ts';
import { withoutUrlSecrets } from '../request/without-credentials.ts';
import type { Interpreter } from './interpreters.ts';
import { startProcess } from './process.ts';

export interface InstallSettings {
  readonly interpreter: Interpreter;
  readonly requirements: readonly string[];
  /** Directory that the packages go to. */
  readonly target: string;
  /** The runner's own directory for the requirements file. */
  readonly scratch: string;
  /** uv, where there is one. */
  readonly uv: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** File that gets what the tool prints. */
  readonly log: string;
  readonly signal: AbortSignal;
  /** So often where the network fails. Default: 3. */
  readonly tries?: number;
}

/** Words of the tools for a network that failed: trying again may help. */
const networkFault =
  /connection (reset|refused|aborted|broken)|timed? ?out|temporary failure in name resolution|network is unreachable|failed to fetch|error sending request|50[0234] (server error|bad gateway|service)|too many requests/i;
const mostTries = 3;
const lastLines = 15;
const keptChars = 64 * 1024;
/** Nothing takes longer to build, and what does hangs. */
const longestMs = 6 * 3_600_000;

const commandFor = ({ interpreter, target, uv }: InstallSettings, file: string): readonly [string, ...string[]] =>
  uv
    ? [
        uv,
        'pip',
        'install',
        '--python',
        interpreter.path,
        '--target',
        target,
        '--link-mode',
        'copy',
        '--no-config',
        '-r',
        file,
      ]
    : [
        interpreter.path,
        '-m',
        'pip',
        'install',
        '--disable-pip-version-check',
        '--no-input',
        '--target',
        target,
        '-r',
        file,
      ];

/** Run the tool; its words go to the log and come back at the end. Nothing that it started is left. */
const run = async (
  [file, ...args]: readonly [string, ...string[]],
  { signal, env, log, scratch }: InstallSettings,
): Promise<{ code: number | null; words: string }> => {
  const id = randomUUID();
  const command = { file, args, cwd: scratch, env: { ...env, STUDIOML_INSTALL: id } };
  const marker = `STUDIOML_INSTALL=${id}`;
  const child = await startProcess(command, { signal, graceMs: 0, maxDurationMs: longestMs, marker }).catch(
    (error: unknown) => {
      signal.throwIfAborted();
      if (error instanceof AttemptError && error.code === 'engine-fault') throw error;
      throw new AttemptError('environment', 'the installer can not be run', {}, { cause: error });
    },
  );
  const out = createWriteStream(log, { flags: 'a' });
  // Without a log the installation still has its result, and the words come with the error.
  out.on('error', () => undefined);
  let words = '';
  const take = (text: string) => {
    // Indexes have passwords in their URLs, and not every tool hides them.
    const shown = withoutUrlSecrets(text);
    out.write(shown);
    words = (words + shown).slice(-keptChars);
  };
  const listen = async (stream: Readable) => {
    let rest = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      const end = Math.max(chunk.lastIndexOf('\n'), chunk.lastIndexOf('\r')) + 1;
      if (end > 0) take(rest + chunk.slice(0, end));
      rest = (end > 0 ? '' : rest) + chunk.slice(end);
    });
    await finished(stream);
    take(rest);
  };
  const [{ code }] = await Promise.all([child.exit, listen(child.stdout), listen(child.stderr)]);
  await new Promise(resolve => out.end(resolve));
  return { code, words };
};

/**
 * Install requirements into a directory, with uv where it is there, else with the interpreter's own pip.
 * Errors: `environment` with the tool's last words; `engine-fault` where the machine can't start it; the signal's reason. A network that
 * fails is tried again twice.
 */
export const install = async (settings: InstallSettings): Promise<void> => {
  const { requirements, scratch, signal, tries = mostTries } = settings;
  const file = join(scratch, 'requirements.txt');
  await writeFile(file, `${requirements.join('\n')}\n`);
  const command = commandFor(settings, file);
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    const { code, words } = await run(command, settings);
    signal.throwIfAborted();
    if (code === 0) return;
    if (attempt < tries && networkFault.test(words)) {
      await sleep(1000 * attempt, signal);
      continue;
    }
    const said = words.trim().split('\n').slice(-lastLines).join('\n');
    const missing = /No module named pip/.test(words) ? ' (neither uv nor a Python with pip is installed)' : '';
    throw new AttemptError('environment', `the requirements could not be installed${missing}: ${said}`);
  }
};
