import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { findInterpreters, type Interpreter } from '../../lib/executors/interpreters.ts';
import { wheelOf, type WheelParts } from './wheels.ts';

/** Where the wheels are that ensurepip installs from; undefined where there are none. */
const ensurepip = ({ path }: Interpreter): string | undefined => {
  const program =
    'import ensurepip, os; print(getattr(ensurepip, "_WHEEL_PKG_DIR", None) or os.path.join(ensurepip.__path__[0], "_bundled"))';
  try {
    return execFileSync(path, ['-I', '-c', program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
};

/** An interpreter that can make environments without asking an index for pip. */
export const testInterpreter = async (): Promise<{ interpreter: Interpreter; wheels: string }> => {
  for (const interpreter of (await findInterpreters()).filter(one => one.hasPip)) {
    const wheels = ensurepip(interpreter);
    if (wheels !== undefined) return { interpreter, wheels };
  }
  throw new Error('there is no Python with pip and ensurepip: install python3-venv');
};

export interface PackageIndex {
  /** For `--index-url`. */
  readonly url: string;
  /** The same with a name and a password, where it asks for them. */
  readonly urlWithPassword: string;
  /** Files that were fetched, in their order. */
  readonly fetched: readonly string[];
  add(parts: WheelParts): void;
  close(): void;
}

export interface PackageIndexSettings {
  /** A directory with the wheels of pip and setuptools. Where not given there are small things of their names. */
  readonly wheels?: string | undefined;
  readonly user?: string;
  readonly password?: string;
}

/** A package index on loopback. It has pip, setuptools and wheel, and what is added. Source: PEP 503. */
export const startPackageIndex = async (
  t: Test,
  { wheels, user, password }: PackageIndexSettings = {},
): Promise<PackageIndex> => {
  const files = new Map<string, Buffer>();
  const fetched: string[] = [];
  const projectOf = (file: string): string => (file.split('-')[0] ?? '').toLowerCase().replaceAll(/[-_.]+/g, '-');
  const add = (parts: WheelParts): void => {
    const { file, body } = wheelOf(parts);
    files.set(file, body);
  };
  const real = wheels === undefined ? [] : readdirSync(wheels).filter(one => /^(pip|setuptools)-.*\.whl$/.test(one));
  for (const name of real) files.set(name, readFileSync(join(wheels ?? '', name)));
  for (const name of ['pip', 'setuptools', 'wheel'])
    if (!real.some(one => one.startsWith(`${name}-`))) add({ name, version: '80.1' });
  const expected =
    user === undefined ? undefined : `Basic ${Buffer.from(`${user}:${password ?? ''}`).toString('base64')}`;
  const server = createServer((request, response) => {
    const url = decodeURIComponent(request.url ?? '');
    const [, project] = /^\/simple\/([^/]+)\/?$/.exec(url) ?? [];
    const file = /^\/files\/(.+)$/.exec(url)?.[1];
    if (expected !== undefined && request.headers.authorization !== expected) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="packages"' }).end();
    } else if (file !== undefined && files.has(file)) {
      fetched.push(file);
      response.end(files.get(file));
    } else if (project !== undefined) {
      const links = [...files.keys()].filter(name => projectOf(name) === project);
      response.writeHead(links.length > 0 ? 200 : 404, { 'content-type': 'text/html' });
      response.end(links.map(name => `<a href="/files/${name}">${name}</a>\n`).join(''));
    } else response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  t.teardown(close);
  const host = `127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  return {
    url: `http://${host}/simple/`,
    urlWithPassword: `http://${user ?? ''}:${password ?? ''}@${host}/simple/`,
    fetched,
    add,
    close,
  };
};
