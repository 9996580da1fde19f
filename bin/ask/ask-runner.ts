import { messageOf, OptionsError } from '../../lib/errors.ts';
import { hostAndPort, parseAddress } from '../../lib/http/address.ts';
import { configured, printFaults } from '../configured.ts';
import { readAskArguments, type AskArguments } from './arguments.ts';

export interface Question {
  /** The command's name, for messages. */
  readonly command: string;
  /** What it is asked about, in words. */
  readonly what: string;
  readonly method: 'GET' | 'POST';
  /** The first part of the path; the subject is the second. */
  readonly path: string;
  /** How long the answer may take to begin, ms. */
  readonly timeoutMs?: number;
}

const send = async (url: URL, method: string, headers: Record<string, string>, timeoutMs: number) => {
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort(new Error(`no answer within ${String(timeoutMs / 1000)} s`));
  }, timeoutMs);
  try {
    return await fetch(url, { method, headers, signal: late.signal });
  } catch (error) {
    throw new Error(
      `no runner answers [url=${url.origin}]: ${messageOf(error)}; say where it is with --runner or PROM_ADDRESS`,
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
  }
};

/** What a refusal says: its words, or those in its JSON. */
const saidIn = (text: string): string => {
  try {
    const { error } = JSON.parse(text) as { readonly error?: unknown };
    return typeof error === 'string' ? error : text;
  } catch {
    return text;
  }
};

/** Where a runner listens, for one who asks from this machine. */
export const runnerUrl = (runner: string | undefined, promAddress: string): URL => {
  const address = parseAddress(promAddress);
  return new URL(runner ?? `http://${address ? hostAndPort(address) : '127.0.0.1:9090'}`);
};

/** The path of a question below the URL of a runner. */
export const pathOf = (url: URL, ...parts: readonly string[]): URL => {
  const asked = new URL(url);
  asked.pathname = `${url.pathname.replace(/\/$/, '')}/${parts.map(encodeURIComponent).join('/')}`;
  return asked;
};

export const headersOf = (token: string | undefined, json: boolean): Record<string, string> => ({
  accept: json ? 'application/json' : 'text/plain',
  ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
});

/**
 * Ask a running runner one question and print what it says, as it comes; what it refuses goes to stderr in one line.
 * Exit code: 0 it was told, 1 no runner answers or it refuses, 2 usage.
 */
export const askRunner = async (argv: readonly string[], question: Question): Promise<number> => {
  let use: AskArguments;
  try {
    use = readAskArguments(question.command, question.what, argv);
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    printFaults(error);
    return 2;
  }
  const options = configured(use.rest, { queues: false });
  if (options === undefined) return 2;
  const url = pathOf(runnerUrl(use.runner, options.promAddress), question.path, use.subject);
  const response = await send(
    url,
    question.method,
    headersOf(options.statusToken, use.json),
    question.timeoutMs ?? 10_000,
  );
  if (!response.ok) {
    process.stderr.write(`runner: ${saidIn((await response.text()).trimEnd())}\n`);
    return 1;
  }
  let last = '\n';
  for await (const chunk of response.body ?? []) {
    const text = Buffer.from(chunk as Uint8Array);
    if (!process.stdout.write(text)) await new Promise(resolve => process.stdout.once('drain', resolve));
    last = text.toString('latin1', text.length - 1);
  }
  if (last !== '\n') process.stdout.write('\n');
  return 0;
};
