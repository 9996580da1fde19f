import { execFile } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { commands, isCommand } from '../bin/commands.ts';
import { flagsOf } from '../bin/completion.ts';
import { options } from '../lib/config/options.ts';
import { parseRequest } from '../lib/request/parse-request.ts';
import type { JsonObject } from '../lib/request/json-body.ts';
import { chart } from './helpers/chart.ts';
import { blocksOf, documentText } from './helpers/guide.ts';
import { needService } from './helpers/services.ts';

const root = new URL('../', import.meta.url).pathname;
const documents = ['README.md', ...globSync('docs/*.md', { cwd: root })].sort();

/** As GitHub makes an anchor of a heading. */
const anchors = (file: string): string[] =>
  [...documentText(file).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-'),
  );

t.test('every link leads somewhere', t => {
  t.ok(documents.length > 5);
  const broken = documents.flatMap(document =>
    [...documentText(document).matchAll(/\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)/g)].flatMap(
      ([link, path = '', anchor = '']) => {
        const target = path === '' ? document : join(dirname(document), path);
        const holds = existsSync(join(root, target)) && (anchor === '' || anchors(target).includes(anchor));
        return holds ? [] : [`${document}: ${link}`];
      },
    ),
  );
  t.strictSame(broken, []);
  t.end();
});

/** Variables of others that the guides speak of. */
const others =
  /^(PATH|DOCKER_HOST|(PUBSUB|STORAGE)_EMULATOR_HOST|GOOGLE_APPLICATION_CREDENTIALS|(CUDA|NVIDIA)_VISIBLE_DEVICES|SUBMIT_STORE|STUDIOML_\w+)$/;

t.test('every option that a guide names is one', t => {
  const known = new Set<string>(Object.values(options).map(({ env }) => env));
  const guides = ['docs/operators.md', 'docs/experimenters.md', 'docs/from-the-go-runner.md'];
  const named = guides.flatMap(guide =>
    [...documentText(guide).matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map(([, name = '']) => name),
  );
  t.ok(named.length > 20);
  t.strictSame(
    named.filter(name => !known.has(name) && !others.test(name)),
    [],
  );
  t.end();
});

/** Command lines of the runner in a document: lines of its shell blocks, and words between backticks. */
const commandLines = (file: string): string[] => {
  const blocks = blocksOf(file, 'sh').flatMap(block => block.replaceAll('\\\n', '').split('\n'));
  const prose = documentText(file).replaceAll(/^```.*?^```$/gms, '');
  const between = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, words = '']) => words);
  return [...blocks, ...between]
    .map(line => line.replace(/^(?:[A-Z_]+=\S+ )*/, '').replace(/ #.*$/, ''))
    .filter(line => /^(?:bin\/)?runner(?: |$)/.test(line));
};

t.test('every command and flag that a document shows is one', t => {
  const lines = documents.flatMap(file => commandLines(file).map(line => ({ file, line })));
  t.ok(lines.length > 30, String(lines.length));
  for (const { file, line } of lines) {
    const [, first = ''] = line.split(/\s+/);
    const name = isCommand(first) ? first : 'serve';
    t.ok(isCommand(first) || /^$|^[-|]|^COMMAND$/.test(first), `${file}: ${line}`);
    const known = new Set(flagsOf(commands[name]));
    // What follows -- or a pipe is somebody else's.
    const own = line.replace(/ (?:-- |\|).*$/s, '');
    for (const [flag] of own.matchAll(/(?<= )--[a-z0-9-]+/g)) t.ok(known.has(flag), `${file}: ${line}: ${flag}`);
  }
  t.end();
});

t.test('the request that experimenters are shown is one', t => {
  const [shown = ''] = blocksOf('docs/experimenters.md', 'json');
  const request = parseRequest(JSON.parse(shown) as JsonObject);
  t.match(request, { filename: 'train.py', maxDurationMs: 20 * 60_000, saveWorkspaceFrequencyMs: 5 * 60_000 });
  t.end();
});

t.test('helm takes the commands that operators are shown', async t => {
  const helm = needService(t, 'TEST_HELM');
  if (helm === undefined) return;
  const commands = blocksOf('docs/operators.md', 'sh')
    .flatMap(block => block.replaceAll('\\\n', '').split('\n'))
    .filter(line => line.startsWith('helm '));
  const [install = '', upgrade = '', withStates = ''] = commands;
  t.equal(commands.length, 3);
  const settings = (command: string): string => command.slice(command.indexOf('--set'));
  const render = (flags: string) =>
    promisify(execFile)('sh', ['-c', `"$0" template runners "$1" --namespace studioml ${flags}`, helm, chart]);
  t.match((await render(settings(install))).stdout, /kind: Deployment/);
  t.match((await render(`${settings(install)} ${settings(upgrade)}`)).stdout, /kind: ScaledJob/);
  t.match((await render(`${settings(install)} ${settings(withStates)}`)).stdout, /kind: RoleBinding/);
});
