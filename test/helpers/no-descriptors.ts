import { execFileSync } from 'node:child_process';

const prelude = `
import { closeSync, openSync } from 'node:fs';
const taken = [];
/** Take every file descriptor that is left. */
const exhaust = () => { try { for (;;) taken.push(openSync('/dev/null')); } catch {} };
const free = () => { for (const fd of taken.splice(0)) closeSync(fd); };
const codeOf = async work => { try { return String(await work()); } catch (error) { return error.code; } };
`;

/**
 * Run an ES module in a process that may have few files open, with `exhaust()`, `free()` and `codeOf(work)`, the code of what it
 * throws. Out: its last line, JSON.
 * @param lib what it imports of lib/, by file: `{ 'executors/shells.ts': 'startShell' }`
 * @param args its `process.argv`, from 1 on
 * Errors: where the process crashes.
 */
export const withFewDescriptors = (
  lib: Readonly<Record<string, string>>,
  program: string,
  ...args: readonly string[]
): unknown => {
  const imports = Object.entries(lib).map(([file, names]) => {
    const url = new URL(`../../lib/${file}`, import.meta.url).href;
    return `import { ${names} } from ${JSON.stringify(url)};\n`;
  });
  const node = [process.execPath, '--input-type=module', '-e', imports.join('') + prelude + program, ...args];
  const out = execFileSync('/bin/sh', ['-c', 'ulimit -n 100; exec "$@"', 'sh', ...node], { encoding: 'utf8' });
  return JSON.parse(out.trim().split('\n').at(-1) ?? '');
};
