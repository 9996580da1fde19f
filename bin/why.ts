import { readArguments, takesNext } from '../lib/config/arguments.ts';
import { messageOf, OptionsError } from '../lib/errors.ts';
import { hostAndPort, parseAddress } from '../lib/http/address.ts';
import { configured, printFaults } from './configured.ts';

interface WhyArguments {
  readonly queue: string;
  readonly runner: string | undefined;
  readonly json: boolean;
  readonly rest: readonly string[];
}

/** Errors: OptionsError with everything that is wrong. */
const readWhyArguments = (argv: readonly string[]): WhyArguments => {
  const queues: string[] = [];
  const rest: string[] = [];
  const faults: string[] = [];
  let runner: string | undefined;
  let json = false;
  const words = [...argv];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '--json') json = true;
    else if (word === '--runner' || word.startsWith('--runner=')) {
      runner = word === '--runner' ? (words.shift() ?? '') : word.slice('--runner='.length);
      if (!/^https?:\/\//.test(runner) || !URL.canParse(runner))
        faults.push(`--runner: found "${runner}", expected a URL like http://host:9090`);
    } else if (word.startsWith('-')) {
      rest.push(word);
      if (takesNext(word, words[0])) rest.push(words.shift() ?? '');
    } else queues.push(word);
  }
  faults.push(...readArguments(rest).faults);
  const [queue = ''] = queues;
  if (queues.length !== 1) faults.push(`why: found ${String(queues.length)} queues, expected the name of one`);
  if (faults.length > 0) throw new OptionsError(faults);
  return { queue, runner, json, rest };
};

const askRunner = async (url: URL, token: string | undefined, json: boolean): Promise<Response> => {
  try {
    return await fetch(url, {
      headers: {
        accept: json ? 'application/json' : 'text/plain',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      signal: AbortSignal.timeout(10_000),
    });
  } catch (error) {
    throw new Error(`no runner answers [url=${url.origin}]: ${messageOf(error)}`, { cause: error });
  }
};

/**
 * Ask a running runner what a queue waits for.
 * Exit code: 0 it was told, 1 no runner answers or it knows no such queue, 2 usage.
 */
export const why = async (argv: readonly string[]): Promise<number> => {
  let use: WhyArguments;
  try {
    use = readWhyArguments(argv);
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    printFaults(error);
    return 2;
  }
  const options = configured(use.rest, { queues: false });
  if (options === undefined) return 2;
  const address = parseAddress(options.promAddress);
  const url = new URL(use.runner ?? `http://${address ? hostAndPort(address) : '127.0.0.1:9090'}`);
  url.pathname = `${url.pathname.replace(/\/$/, '')}/why/${encodeURIComponent(use.queue)}`;
  const response = await askRunner(url, options.statusToken, use.json);
  const text = (await response.text()).trimEnd();
  if (response.ok) process.stdout.write(`${text}\n`);
  else process.stderr.write(`runner: ${text}\n`);
  return response.ok ? 0 : 1;
};
